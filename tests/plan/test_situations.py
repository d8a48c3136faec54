"""The plans of the situations are goldens.

Each golden is the tree of the plan, its waits and what is left out. UPDATE_GOLDENS=1 writes them anew.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from building import PROFILE, build_of
from situations import DBT_AF, SITUATIONS, TARGETS

from dbt_af_k8s.plan.render.text import tree_lines
from dbt_af_k8s.plan.values import Plan

GOLDENS = Path(__file__).parent / "situations"


def shown(plan: Plan) -> Iterator[str]:
    yield from tree_lines(plan)
    for dag in plan.dags:
        for task in dag.tasks:
            for gap in task.not_waited:
                yield f"{gap.downstream} does not wait for {gap.node}: {gap.because}"
    for entry in plan.left_out:
        yield f"left out: {entry.node}: {entry.because}"
    for issue in plan.issues:
        yield f"{issue.severity}: {issue.code}: {issue.node}"


@pytest.mark.parametrize("style", ["plain", "dbt_af"])
@pytest.mark.parametrize("name", SITUATIONS)
def test_the_plan_of_a_situation(name: str, style: str) -> None:
    profile = replace(
        TARGETS,
        target_types={**TARGETS.target_types, "k8s": PROFILE.target_types["k8s"]},
        python_targets=PROFILE.python_targets,
    )
    plan = build_of(*SITUATIONS[name], settings=DBT_AF if style == "dbt_af" else {}, profile=profile).plan
    golden = GOLDENS / f"{name}.{style}.txt"
    text = "\n".join(shown(plan)) + "\n"
    if os.environ.get("UPDATE_GOLDENS") and not os.environ.get("CI"):
        golden.write_text(text)
    assert text == golden.read_text()
