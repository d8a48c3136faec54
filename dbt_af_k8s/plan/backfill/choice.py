"""Which nodes of a domain a backfill runs. Pure."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from dbt_af_k8s.errors import FormError
from dbt_af_k8s.graph.select import Selector
from dbt_af_k8s.plan.build import Build

_MOST_NAMED = 5


def choose_nodes(
    built: Build, domain: str, members: Iterable[str], models: tuple[str, ...], *, with_tests: bool
) -> frozenset[str]:
    """The unique_ids of `members`, the nodes of a domain's backfill DAG, that a selection asks for.

    The selection is dbt's: tests come with any of their parents, or are named themselves; without `with_tests` none is
    chosen. Raises `FormError` with every term that selects nothing there.
    """
    inside = frozenset(members)
    tests = frozenset(key for key in inside if key in built.decisions.placements)
    wanted = _selected(built, domain, inside, models) if models else inside
    chosen = wanted if with_tests else wanted - tests
    if not chosen:
        raise FormError(["models selects tests only: switch `with_tests` on, or name models."])
    return chosen


def _selected(built: Build, domain: str, inside: frozenset[str], models: tuple[str, ...]) -> frozenset[str]:
    domain_of = _domains(built)
    selector = Selector(built.inputs.manifest, domain_of)
    problems: list[str] = []
    found: frozenset[str] = frozenset()
    for term in models:
        selection = selector.select([term], key="models")
        bad = [issue for issue in selection.issues if issue.code != "selection-matches-nothing"]
        errors = [f"models: {issue.message} {issue.fix}" for issue in bad if issue.is_error]
        if not errors and not selection.chosen & inside:
            errors = [_nothing(built, domain, inside, term, selection.chosen, domain_of)]
        problems += errors
        found |= selection.chosen & inside
    if problems:
        raise FormError(problems)
    return found


def _domains(built: Build) -> Mapping[str, str]:
    nodes = {key: decision.domain.domain for key, decision in built.decisions.nodes.items()}
    return nodes | {key: decision.domain.domain for key, decision in built.decisions.sources.items()}


def _nothing(
    built: Build,
    domain: str,
    inside: frozenset[str],
    term: str,
    elsewhere: frozenset[str],
    domain_of: Mapping[str, str],
) -> str:
    text = f"models: `{term}` selects nothing in domain `{domain}`"
    others = sorted({domain_of[key] for key in elsewhere if key in domain_of} - {domain})
    if others:
        return f"{text}, only nodes of {', '.join(f'`{other}`' for other in others[:_MOST_NAMED])}."
    names = sorted({built.inputs.manifest.nodes[key].name for key in inside})
    close = get_close_matches(term.strip("+@0123456789"), names, 1)
    return f"{text}; did you mean `{close[0]}`?" if close else f"{text}."
