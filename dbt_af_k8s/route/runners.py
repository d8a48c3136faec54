"""The rules that say where dbt itself runs for a warehouse target, and what each runner can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from dbt_af_k8s.config.settings import RunnerRule

LOCAL = RunnerRule("*", "local")


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
ABILITIES: Mapping[str, frozenset[Work]] = MappingProxyType({"local": frozenset(Work)})


@dataclass(frozen=True, slots=True)
class RunnerChoice:
    """The row of `runners:` that matched, and why."""

    rule: RunnerRule
    because: str


def choose_runner(target: str | None, rules: Sequence[RunnerRule]) -> RunnerChoice:
    """The first row of `runners:` whose pattern matches the target's name; else dbt runs on the worker itself."""
    for rule in rules:
        if fnmatchcase(target or "default", rule.pattern):
            return RunnerChoice(rule, f"`runners` of the settings: `{rule.pattern}`")
    return RunnerChoice(LOCAL, "dbt runs on the worker where `runners` says nothing else")


def can_do(runner: str, work: Work) -> bool:
    """Whether that runner can do that kind of work."""
    return work in ABILITIES.get(runner, frozenset())
