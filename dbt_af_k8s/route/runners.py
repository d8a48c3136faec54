"""The rules that say where dbt itself runs for a warehouse target, and what each runner can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from dbt_af_k8s.config import settings_runners
from dbt_af_k8s.config.settings_runners import NodeRunner, RunnerRule, changed

LOCAL = RunnerRule("*", settings_runners.LOCAL)


class Work(StrEnum):
    """What a runner is asked to do. The values are words for messages."""

    #: Models, seeds, snapshots and tests in the DAGs of their domain.
    NODES = "nodes"
    BACKFILL = "backfills"
    MAINTENANCE = "maintenance"
    #: Checks of sources, and gates that hold nodes back.
    FRESHNESS = "checks of freshness"
    #: The DAG in which a person names what runs.
    SELECTION = "runs of a selection"


#: What each runner can do. A runner that learns something new gets a word more here, and nothing else decides it.
ABILITIES: Mapping[str, frozenset[Work]] = MappingProxyType(
    {
        settings_runners.LOCAL: frozenset(Work),
        settings_runners.DBT_API: frozenset(Work),
        settings_runners.KUBERNETES_POD: frozenset(Work),
        settings_runners.GKE_POD: frozenset(Work),
        settings_runners.EKS_POD: frozenset(Work),
    }
)


@dataclass(frozen=True, slots=True)
class RunnerChoice:
    """The runner with its options, as a row, and why it is this one."""

    rule: RunnerRule
    because: str


def choose_runner(target: str | None, rules: Sequence[RunnerRule], own: NodeRunner | None = None) -> RunnerChoice:
    """The node's own runner; else the first row of `runners` that fits the target; else dbt runs on the worker itself.

    Options that a node does not give are those of the first row with its runner: one that fits the target, else any.
    """
    if own is not None:
        row = options_row(target, rules, own.runner)
        options = changed(own.runner, row.options if row else None, own.given)
        says = f", with the options of `{row.pattern}` in `runners`" if row and options is not None else ""
        return RunnerChoice(RunnerRule(target or "default", own.runner, options), f"the node's own `runner`{says}")
    for rule in rules:
        if fnmatchcase(target or "default", rule.pattern):
            return RunnerChoice(rule, f"`runners` of the settings: `{rule.pattern}`")
    return RunnerChoice(LOCAL, "dbt runs on the worker where `runners` says nothing else")


def options_row(target: str | None, rules: Sequence[RunnerRule], runner: str) -> RunnerRule | None:
    """The row that gives a node with that runner of its own the options that it does not write, if any does."""
    fitting = tuple(rule for rule in rules if fnmatchcase(target or "default", rule.pattern))
    return next((rule for rule in (*fitting, *rules) if rule.runner == runner), None)


def can_do(runner: str, work: Work) -> bool:
    """Whether that runner can do that kind of work."""
    return work in ABILITIES.get(runner, frozenset())
