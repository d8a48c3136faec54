"""Words of `fused.cheap` and `fused.measured` that are most likely misspelt: nothing of the project is called so."""

from collections.abc import Iterator
from difflib import get_close_matches

from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.plan.inputs import PlanInputs

#: dbt's own materializations, and the kinds of node that stand beside them. A project may have more.
_KNOWN = ("incremental", "materialized_view", "seed", "snapshot", "table", "test", "view")


def strange_fused_words(inputs: PlanInputs) -> Iterator[Issue]:
    """A warning for each word that no node answers to, and that is much like one that is known."""
    settings = inputs.settings
    if settings.granularity != "fused":
        return
    used = {node.materialized for node in inputs.manifest.nodes.values() if node.materialized}
    known = sorted({*_KNOWN, *used})
    for key, words in (("fused.cheap", settings.fused.cheap), ("fused.measured", settings.fused.measured)):
        for position, word in enumerate(words):
            close = get_close_matches(word, known, 1)
            if word in known or not close:
                continue
            yield warning(
                "idle-setting",
                f"No node answers to `{word}`: the words are materializations, `seed`, `snapshot`, `test`.",
                f"Did you mean `{close[0]}`?",
                file=inputs.settings_file,
                key=f"{key}[{position}]",
            )
