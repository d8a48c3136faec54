"""The settings of one dbt node, out of the places where dbt files may have them.

`meta.dbt_af_k8s` is ours alone: there every slip is an error. Bare `meta` and bare `config` are shared with other
tools and with dbt's adapters (Databricks has a `config.schedule` of its own): a value that cannot be ours by its
shape is passed over with a warning, so that a project that never heard of us opens.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.config.node_meta import NODE_SETTING_NAMES, DependencyMeta, NodeMeta
from dbt_af_k8s.config.problems import Finding, dotted, findings
from dbt_af_k8s.config.settings import Dependency, NodeSettings, NodeSettingsPlaces
from dbt_af_k8s.config.settings_runners import NodeRunner
from dbt_af_k8s.config.wording import closest, shown
from dbt_af_k8s.config.written_runners import RUNNER_NAMES, NodeRunnerConfig, given_options
from dbt_af_k8s.errors import Issue, error, warning

_OWN_PLACE = "meta.dbt_af_k8s"
_OWN_KEY = "dbt_af_k8s"
_NAMES = frozenset(NODE_SETTING_NAMES)
#: Names that other tools use too; the rest of the vocabulary nobody else has, so a wrong shape there is a slip.
_SHARED_NAMES = frozenset(
    {"schedule", "dependencies", "env", "kubernetes", "maintenance", "owner", "domain", "pool", "queue", "executor"}
    | {"executor_config", "priority_weight", "retries", "runner"}
)
_CRON_FIELD = re.compile(r"(?:\d+|[*?]|[A-Za-z]{3}|[LW])(?:[-/,#](?:\d+|\*|[A-Za-z]{3}|L))*[LW]?")
_NO_SETTINGS = NodeSettings()


def read_node_settings(
    config: Mapping[str, Any],
    meta: Mapping[str, Any],
    places: NodeSettingsPlaces,
    *,
    node: str,
    file: str,
) -> tuple[NodeSettings, tuple[Issue, ...]]:
    """Read a node's settings; `config` and `meta` are the manifest's, `node` and `file` are for messages.

    For each setting the first place of `places` that has it wins. What is wrong is left at its default.
    """
    if _NAMES.isdisjoint(meta) and _NAMES.isdisjoint(config) and _OWN_KEY not in meta:
        return _NO_SETTINGS, ()
    given: dict[str, Any] = {}
    found_in: dict[str, str] = {}
    issues: list[Issue] = []
    for place in places.places:
        written = _written(place, config, meta, places.ignore)
        if not isinstance(written, Mapping):
            message = f"`{place}` must be a mapping of settings, found {shown(written)}."
            fix = "Write the settings below it, as `schedule: '@hourly'`."
            issues.append(error("bad-node-setting", message, fix, file=file, node=node, key=place))
            continue
        fresh = {key: value for key, value in written.items() if key not in given and value is not None and value != ""}
        read, found = _validated(fresh)
        told = (_told(finding, place, fresh, node, file) for finding in found if not _is_silent(finding, place))
        issues.extend({(issue.code, issue.key): issue for issue in told}.values())
        given.update((name, getattr(read, name)) for name in read.model_fields_set)
        found_in.update((name, place) for name in read.model_fields_set)
    return (_settings(given, found_in) if given else _NO_SETTINGS), tuple(issues)


def _written(place: str, config: Mapping[str, Any], meta: Mapping[str, Any], ignore: tuple[str, ...]) -> Any:
    """The part of the node that a place means; in the shared places only names that are ours."""
    if place == _OWN_PLACE:
        own = meta.get(_OWN_KEY)
        return {} if own is None else own
    shared = meta if place == "meta" else config
    return {name: shared[name] for name in NODE_SETTING_NAMES if name in shared and name not in ignore}


def _validated(written: Mapping[str, Any]) -> tuple[NodeMeta, list[Finding]]:
    """The settings that are right, and what is wrong with the others."""
    found = list(_strange_schedule(written))
    try:
        read = NodeMeta.model_validate(written)
    except ValidationError as failed:
        found += findings(failed, NodeMeta)
    else:
        if not found:
            return read, []
    broken = {str(finding.path[0]) for finding in found}
    return NodeMeta.model_validate({key: value for key, value in written.items() if key in _NAMES - broken}), found


def _strange_schedule(written: Mapping[str, Any]) -> Iterator[Finding]:
    """A schedule of several words that is no cron: "every day at noon"."""
    schedule = written.get("schedule")
    if not isinstance(schedule, str):
        return
    words = schedule.split()
    if len(words) == 1 or (len(words) in (5, 6) and all(_CRON_FIELD.fullmatch(word) for word in words)):
        return
    message = f"`schedule` must be a preset, a name or a cron, found {shown(schedule)}."
    yield Finding(("schedule",), "wrong", message, "Write `@daily`, a named schedule or a five-field cron.", True)


def _is_silent(finding: Finding, place: str) -> bool:
    """`owner` in `meta` is in every second project, in all shapes."""
    return place != _OWN_PLACE and finding.path == ("owner",) and finding.is_shape


def _told(finding: Finding, place: str, written: Mapping[str, Any], node: str, file: str) -> Issue:
    key = f"{place}.{dotted(finding.path)}"
    if place != _OWN_PLACE and _is_foreign(finding, written):
        name = finding.path[0]
        message = f"`{place}.{name}` does not look like the node setting of that name, so it is passed over."
        fix = (
            f"If it is meant for something else, add `{name}` to `node_settings.ignore` of the settings; "
            f"if it is meant as a setting: {finding.message} {finding.fix}"
        )
        return warning("foreign-meta", message, fix, file=file, node=node, key=f"{place}.{name}")
    code = "unknown-node-setting" if finding.kind == "unknown" else "bad-node-setting"
    return error(code, finding.message, finding.fix, file=file, node=node, key=key)


def _is_foreign(finding: Finding, written: Mapping[str, Any]) -> bool:
    """Whether the value has a shape that no setting of ours has."""
    name = finding.path[0]
    if name not in _SHARED_NAMES:
        return False
    if finding.is_shape and len(finding.path) <= 2:
        return True
    if name == "runner" and finding.path == ("runner", "type"):
        runner = written["runner"]
        named = runner.get("type") if isinstance(runner, Mapping) else runner
        return not isinstance(named, str) or closest(named, RUNNER_NAMES) is None
    if name == "dependencies" and finding.kind == "unknown":
        entries = {str(key): entry for key, entry in written["dependencies"].items()}
        known = DependencyMeta.model_fields
        return not any(key in known or closest(str(key), known) for key in entries.get(str(finding.path[1]), ()))
    return False


def _settings(given: Mapping[str, Any], found_in: Mapping[str, str]) -> NodeSettings:
    dependencies: Mapping[str, DependencyMeta] = given.get("dependencies") or {}
    return NodeSettings(
        schedule=given.get("schedule"),
        schedule_shift=given.get("schedule_shift", 0),
        schedule_shift_unit=given.get("schedule_shift_unit", "minute"),
        dependencies=tuple(
            Dependency(name, dependency.skip, dependency.wait_policy)
            for name, dependency in sorted(dependencies.items())
        ),
        enable_from=given.get("enable_from_dttm"),
        disable_from=given.get("disable_from_dttm"),
        domain_start_date=given.get("domain_start_date"),
        domain=given.get("domain"),
        dbt_target=given.get("dbt_target"),
        runner=_runner(given.get("runner")),
        env=given.get("env", {}),
        kubernetes=given.get("kubernetes", {}),
        py_cluster=given.get("py_cluster"),
        sql_cluster=given.get("sql_cluster"),
        daily_sql_cluster=given.get("daily_sql_cluster"),
        bf_cluster=given.get("bf_cluster"),
        maintenance=given.get("maintenance", {}),
        airflow_parallelism=given.get("airflow_parallelism"),
        tableau_refresh_tasks=tuple(
            resource.model_dump(exclude_defaults=True) for resource in given.get("tableau_refresh_tasks") or ()
        ),
        owner=given.get("owner"),
        pool=given.get("pool"),
        queue=given.get("queue"),
        executor=given.get("executor"),
        executor_config=given.get("executor_config"),
        priority_weight=given.get("priority_weight"),
        retries=given.get("retries"),
        env_place=found_in.get("env", "meta"),
        kubernetes_place=found_in.get("kubernetes", "meta"),
    )


def _runner(written: NodeRunnerConfig | None) -> NodeRunner | None:
    return None if written is None else NodeRunner(written.type, given_options(written))
