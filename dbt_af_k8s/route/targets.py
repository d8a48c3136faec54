"""The rules that give a dbt node its target. Rows, first match wins; the row's words stay in the plan.

The cluster keys (`sql_cluster`, `daily_sql_cluster`, `py_cluster`) are dbt-af's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dbt_af_k8s.config.settings import NodeSettings, TargetSettings
from dbt_af_k8s.manifest.values import Node

#: Presets whose SQL goes to `daily_sql_cluster`, shifted or not.
_DAILY_PRESETS = ("@daily", "@weekly")


@dataclass(frozen=True, slots=True)
class TargetQuestion:
    """All that the choice of a target depends on."""

    node: Node
    settings: NodeSettings
    #: Name of the node's schedule, without its shift: `@daily`, `nightly`, a cron.
    schedule_name: str
    targets: TargetSettings
    #: The target that dbt would take by itself: the profile's `target`.
    profile_default: str | None

    @property
    def is_plain_sql(self) -> bool:
        """SQL without pre-hooks; what dbt-af calls an SQL model when it picks a cluster."""
        return self.node.language == "sql" and not self.node.has_pre_hook

    @property
    def is_daily(self) -> bool:
        """Whether the schedule is one of those whose SQL has its own cluster key."""
        return self.schedule_name in _DAILY_PRESETS


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """A target's name, or None where dbt itself shall choose, and the rule that gave it."""

    target: str | None
    because: str
    #: The node setting that names it, or None where the settings or the profile do.
    key: str | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    because: str
    when: Callable[[TargetQuestion], bool]
    then: Callable[[TargetQuestion], str | None]
    key: str | None = None


_RULES: tuple[_Rule, ...] = (
    _Rule("the node's own `dbt_target`", lambda _: True, lambda q: q.settings.dbt_target, "dbt_target"),
    _Rule("`targets.tests` of the settings", lambda q: q.node.is_test, lambda q: q.targets.tests),
    _Rule(
        "the node's `daily_sql_cluster` (SQL without pre-hooks, daily or weekly)",
        lambda q: q.is_plain_sql and q.is_daily,
        lambda q: q.settings.daily_sql_cluster,
        "daily_sql_cluster",
    ),
    _Rule(
        "the node's `sql_cluster` (SQL without pre-hooks)",
        lambda q: q.is_plain_sql and not q.is_daily,
        lambda q: q.settings.sql_cluster,
        "sql_cluster",
    ),
    _Rule(
        "the node's `py_cluster` (Python, or SQL with pre-hooks)",
        lambda q: not q.is_plain_sql,
        lambda q: q.settings.py_cluster,
        "py_cluster",
    ),
    _Rule("`targets.default` of the settings", lambda _: True, lambda q: q.targets.default),
    _Rule("the profile's default target", lambda _: True, lambda q: q.profile_default),
)


def choose_target(question: TargetQuestion) -> TargetChoice:
    """The target of a node and why: the first rule that applies and has a name to give."""
    for rule in _RULES:
        if rule.when(question) and (target := rule.then(question)):
            return TargetChoice(target, rule.because, rule.key)
    return TargetChoice(None, "no target is named anywhere: dbt takes its own default")


def choose_source_target(own: str | None, default: str | None, profile_default: str | None) -> TargetChoice:
    """The target on which a source's age is looked up, and why."""
    rows = (
        (own, "the source's own `dbt_target`", "dbt_target"),
        (default, "`targets.default` of the settings", None),
        (profile_default, "the profile's default target", None),
    )
    for target, because, key in rows:
        if target:
            return TargetChoice(target, because, key)
    return TargetChoice(None, "no target is named anywhere: dbt takes its own default")
