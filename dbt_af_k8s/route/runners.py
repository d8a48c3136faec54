"""The rules that say where dbt itself runs for a warehouse target."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dbt_af_k8s.config.settings import RunnerRule

LOCAL = RunnerRule("*", "local")


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
