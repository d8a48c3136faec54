"""Rows of `runners` that change nothing: behind another one that takes their targets, or with a misspelt name."""

from collections.abc import Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase

from dbt_af_k8s.config.settings_runners import RunnerRule
from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.route.runners import options_row

#: What makes a name a shell-style pattern.
_WILD = frozenset("*?[")


def idle_runner_rows(inputs: PlanInputs, decisions: Decisions) -> Iterator[Issue]:
    """A warning for each. A row that gives its options to nodes with a `runner` of their own does something."""
    rows = inputs.settings.runners
    lenders = _lenders(inputs, decisions)
    targets = tuple(inputs.profile.target_types)
    for position, row in enumerate(rows):
        if row.pattern in lenders:
            continue
        told = _shadowed(row, rows[:position]) or _misspelt(row, targets)
        if told is not None:
            message, fix = told
            yield warning("idle-setting", message, fix, file=inputs.settings_file, key=f"runners.{row.pattern}")


def _lenders(inputs: PlanInputs, decisions: Decisions) -> frozenset[str]:
    """The patterns of the rows that give options to nodes with a runner of their own."""
    asked = ((each.target.target, each.settings.runner) for each in decisions.nodes.values())
    found = (options_row(target, inputs.settings.runners, own.runner) for target, own in asked if own is not None)
    return frozenset(row.pattern for row in found if row is not None)


def _shadowed(row: RunnerRule, before: tuple[RunnerRule, ...]) -> tuple[str, str] | None:
    """What is wrong with a row that is never looked at, and how to mend it."""
    first = next((other.pattern for other in before if _takes_all_of(other.pattern, row.pattern)), None)
    if first is None:
        return None
    message = (
        f"The row `{row.pattern}` of `runners` is never reached: the first row that fits counts, which is `{first}`."
    )
    return message, f"Put `{row.pattern}` before `{first}`, or remove it."


def _takes_all_of(pattern: str, other: str) -> bool:
    """Whether every name that fits the other pattern fits this one; where that is not sure, no.

    A `*` here stands for whatever the other has there, its wild letters included; a `?` or `[` does not.
    """
    return fnmatchcase(other, pattern) and (_WILD.isdisjoint(other) or _WILD.isdisjoint(pattern.replace("*", "")))


def _misspelt(row: RunnerRule, targets: tuple[str, ...]) -> tuple[str, str] | None:
    """The same for a name that is none, and much like one. Another one may be that of another machine's profile."""
    if not _WILD.isdisjoint(row.pattern) or row.pattern in targets:
        return None
    close = get_close_matches(row.pattern, targets, 1)
    if not close:
        return None
    known = ", ".join(f"`{name}`" for name in targets)
    return f"`runners` has a row for `{row.pattern}`, and there is no such target.", (
        f"Did you mean `{close[0]}`? The profile has {known}."
    )
