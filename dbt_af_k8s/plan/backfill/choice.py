"""Which nodes of a domain a backfill runs. Pure."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from dbt_af_k8s.errors import FormError
from dbt_af_k8s.graph.placement import place_tests
from dbt_af_k8s.graph.select import select_nodes
from dbt_af_k8s.plan.build import Build

_MOST_NAMED = 5


def choose_nodes(
    built: Build, domain: str, members: Iterable[str], models: tuple[str, ...], *, with_tests: bool
) -> frozenset[str]:
    """The unique_ids of `members`, the nodes of a domain's backfill DAG, that a selection asks for.

    A test goes with the node that it is placed with, or is named itself; without `with_tests` none is chosen. Raises
    `FormError` with every term that selects nothing there.
    """
    inside = frozenset(members)
    placements = place_tests(built.inputs.manifest, built.decisions.graph)
    tests = frozenset(key for key in inside if key in placements)
    wanted = inside
    if models:
        wanted = _selected(built, domain, inside, models)
        wanted |= {test for test in tests if placements[test].beside in wanted}
    chosen = wanted if with_tests else wanted - tests
    if not chosen:
        raise FormError(["models selects tests only: switch `with_tests` on, or name models."])
    return chosen


def _selected(built: Build, domain: str, inside: frozenset[str], models: tuple[str, ...]) -> frozenset[str]:
    domain_of = _domains(built)
    problems: list[str] = []
    found: frozenset[str] = frozenset()
    for term in models:
        selection = select_nodes(built.inputs.manifest, built.decisions.graph, domain_of, [term], key="models")
        errors = [f"models: {issue.message} {issue.fix}" for issue in selection.issues if issue.is_error]
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
