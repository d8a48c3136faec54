"""Written settings -> resolved ones: durations and dates are values, inheritance is worked out, texts are judged."""

import re
from zoneinfo import ZoneInfo

from dbt_af_k8s.config.calendar_words import WRONG_DATE_FIX, read_moment, timezone_issue
from dbt_af_k8s.config.node_meta import NODE_SETTING_NAMES
from dbt_af_k8s.config.resolve_integrations import resolve_callbacks, resolve_integrations
from dbt_af_k8s.config.settings import (
    DagSettings,
    DomainSettings,
    FreshnessSettings,
    FusedSettings,
    KubernetesSettings,
    MaintenanceSettings,
    NamedSchedule,
    NodeSettingsPlaces,
    PoolSettings,
    RetrySettings,
    ScheduleSettings,
    Settings,
    TargetSettings,
    TaskRule,
    WaitSettings,
)
from dbt_af_k8s.config.settings_runners import RunnerRule, changed
from dbt_af_k8s.config.wording import choose_from, quoted
from dbt_af_k8s.config.written import Config, DagsConfig, RetryConfig
from dbt_af_k8s.config.written_kinds import DAG_KINDS
from dbt_af_k8s.config.written_runners import given_options
from dbt_af_k8s.errors import Issue, error, warning

#: Kinds of task that have retries of their own.
RETRY_KINDS = ("run", "seed", "snapshot", "test", "wait", "freshness", "kubernetes", "maintenance", "refresh")
#: Parts of DAG ids that named schedules would be confused with.
RESERVED_SCHEDULES = (
    *("every15minutes", "hourly", "daily", "weekly", "monthly", "manual"),
    *("backfill", "large_tests", "maintenance", "freshness", "run_model"),
)
_SCHEDULE_NAME = re.compile(r"[a-z0-9_]+")
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{0,100}")
#: Airflow's limits.
_LONGEST_TAG = 100
_LONGEST_POOL = 256


def resolve_settings(config: Config, *, file: str) -> tuple[Settings, tuple[Issue, ...]]:
    """Give every key its value. The issues say what only shows when keys are seen together or read as what they mean.

    What is wrong gets its default in the `Settings`. The syntax of crons is judged where schedules are made.
    """
    issues: list[Issue] = []
    dags = _dags(config.dags, file, issues)
    settings = Settings(
        select=config.select,
        exclude=config.exclude,
        domains=DomainSettings(config.domains.sources, config.domains.folder_depth, config.domains.packages),
        targets=TargetSettings(
            default=config.targets.default,
            tests=config.targets.tests,
            maintenance=config.targets.maintenance,
            backfill=config.targets.backfill,
        ),
        runners=_runners(config),
        schedules=_schedules(config, file, issues),
        tests_per=config.tests.per,
        waits=WaitSettings(
            per=config.waits.per,
            timeout=config.waits.timeout,
            poke=config.waits.poke,
            longest_poke=max(config.waits.poke, config.waits.longest_poke),
            deferrable=config.waits.deferrable,
            first_runs=config.waits.first_runs,
        ),
        granularity=_granularity(config, file, issues),
        fused=FusedSettings(config.fused.most_nodes, config.fused.most_time, config.fused.cheap, config.fused.measured),
        retries=_retries(config, file, issues),
        dags=dags,
        pools=_pools(config, file, issues),
        tasks=_tasks(config, file, issues),
        node_settings=_node_settings(config, file, issues),
        freshness=FreshnessSettings(
            schedule=config.freshness.schedule,
            gate=config.freshness.gate,
            poke=config.freshness.poke,
            timeout=config.freshness.timeout,
        ),
        maintenance=MaintenanceSettings(schedule=config.maintenance.schedule),
        seeds_run_on=config.seeds.run_on,
        callbacks=resolve_callbacks(config),
        integrations=resolve_integrations(config, file, issues),
        kubernetes=KubernetesSettings(
            config.kubernetes.airflow_identity_binding_selector,
            config.kubernetes.namespace,
            config.kubernetes.kubernetes_conn_id,
            config.kubernetes.local,
        ),
        strict=config.strict,
    )
    return settings, tuple(issues)


def _granularity(config: Config, file: str, issues: list[Issue]) -> str:
    if config.granularity == "fused" and config.dags.task_ids == "dbt_af":
        message = "`granularity: fused` makes tasks that dbt-af does not have, so they have no ids of dbt-af."
        fix = "Take `dags.task_ids: plain`, or `granularity: node`."
        issues.append(error("bad-setting", message, fix, file=file, key="granularity"))
        return "node"
    return config.granularity


def _dags(written: DagsConfig, file: str, issues: list[Issue]) -> DagSettings:
    zone = written.timezone
    zone_issue = timezone_issue(zone, file=file, key="dags.timezone")
    if zone_issue is not None:
        issues.append(zone_issue)
        zone = "UTC"
    start = DagSettings().start_date
    try:
        start = read_moment(written.start_date, default_zone=ZoneInfo(zone))
    except ValueError as reason:
        issues.append(
            error("bad-date", f"`dags.start_date` {reason}.", WRONG_DATE_FIX, file=file, key="dags.start_date")
        )
    if not _PREFIX.fullmatch(written.prefix):
        message = f"{quoted(written.prefix)} cannot begin a DAG id."
        fix = "Use at most 100 letters, digits, `_`, `-` and `.`."
        issues.append(error("bad-setting", message, fix, file=file, key="dags.prefix"))
    for position, tag in enumerate(written.tags):
        if len(tag) > _LONGEST_TAG:
            message = f"The tag {quoted(tag)} has {len(tag)} characters; Airflow takes {_LONGEST_TAG}."
            issues.append(error("bad-setting", message, "Shorten it.", file=file, key=f"dags.tags[{position}]"))
    return DagSettings(
        start_date=start,
        catchup=written.catchup,
        max_active_runs=written.max_active_runs,
        max_active_tasks=written.max_active_tasks,
        timezone=zone,
        prefix=written.prefix if _PREFIX.fullmatch(written.prefix) else "",
        tags=tuple(tag for tag in dict.fromkeys(written.tags) if len(tag) <= _LONGEST_TAG),
        owner=written.owner,
        task_ids=written.task_ids,
        task_timeout=written.task_timeout,
        last_good_plan=written.last_good_plan,
        kinds=tuple(kind for kind in DAG_KINDS if kind in written.kinds),
    )


def _schedules(config: Config, file: str, issues: list[Issue]) -> ScheduleSettings:
    named: list[NamedSchedule] = []
    for name, schedule in sorted(config.schedules.named.items()):
        because = _why_no_schedule_name(name)
        if because:
            fix = "Give it another name, of lower-case letters, digits and single `_`."
            message = f"A schedule cannot be called {quoted(name)}: {because}."
            issues.append(error("bad-schedule-name", message, fix, file=file, key="schedules"))
            continue
        zone = schedule.timezone
        found = timezone_issue(zone, file=file, key=f"schedules.{name}.timezone") if zone is not None else None
        if found is not None:
            issues.append(found)
            zone = None
        named.append(NamedSchedule(name, schedule.cron, zone))
    return ScheduleSettings(config.schedules.default, tuple(named))


def _why_no_schedule_name(name: str) -> str | None:
    """The name becomes a part of DAG ids (`sales__nightly`), where it must be told from presets, shifts and kinds."""
    if not _SCHEDULE_NAME.fullmatch(name):
        return "it has other characters than lower-case letters, digits and `_`"
    if name in RESERVED_SCHEDULES:
        return "that is the name of a preset or of a kind of DAG"
    if name.startswith("cron_"):
        return "names that begin with `cron_` are those of bare crons"
    if "_shift_" in name:
        return "`_shift_` marks a shifted preset"
    if "__" in name:
        return "`__` separates the parts of a DAG id"
    return "it is longer than 60 characters" if len(name) > 60 else None


def _runners(config: Config) -> tuple[RunnerRule, ...]:
    return tuple(
        RunnerRule(pattern, runner.type, changed(runner.type, None, given_options(runner)))
        for pattern, runner in config.runners.items()
    )


def _retries(config: Config, file: str, issues: list[Issue]) -> dict[str, RetrySettings]:
    """A kind's key, else that of `default`, else the built-in one.

    Airflow sleeps `max_delay` at most, so a longer `delay` lifts it where nobody wrote a `max_delay`.
    """
    built_in = RetrySettings()
    written = config.retries
    kinds: tuple[tuple[str, RetryConfig], ...] = (
        ("run", written.run),
        ("seed", written.seed),
        ("snapshot", written.snapshot),
        ("test", written.test),
        ("wait", written.wait),
        ("freshness", written.freshness),
        ("kubernetes", written.kubernetes),
        ("maintenance", written.maintenance),
        ("refresh", written.refresh),
    )
    resolved: dict[str, RetrySettings] = {}
    for kind, own in kinds:
        above = written.default
        delay = _first(own.delay, above.delay, built_in.delay)
        longest = _first(own.max_delay, above.max_delay, max(delay, built_in.max_delay))
        if longest < delay:
            message = f"`max_delay` ({longest} s) is shorter than `delay` ({delay} s)."
            fix = "Make `max_delay` longer, or `delay` shorter."
            issues.append(error("bad-setting", message, fix, file=file, key=f"retries.{kind}.max_delay"))
        backoff = own.exponential_backoff if own.exponential_backoff is not None else above.exponential_backoff
        resolved[kind] = RetrySettings(
            retries=_first(own.retries, above.retries, built_in.retries),
            delay=delay,
            exponential_backoff=built_in.exponential_backoff if backoff is None else backoff,
            max_delay=max(longest, delay),
        )
    return resolved


def _first(own: int | None, above: int | None, built_in: int) -> int:
    return own if own is not None else above if above is not None else built_in


def _pools(config: Config, file: str, issues: list[Issue]) -> tuple[PoolSettings, ...]:
    for name in config.pools:
        if len(name) > _LONGEST_POOL or not name.isprintable():
            message = f"{quoted(name)} cannot be the name of an Airflow pool."
            fix = f"Use at most {_LONGEST_POOL} printable characters."
            issues.append(error("bad-setting", message, fix, file=file, key="pools"))
    return tuple(
        PoolSettings(name, pool.slots, pool.description, pool.targets, pool.kinds, pool.domains)
        for name, pool in config.pools.items()
    )


def _tasks(config: Config, file: str, issues: list[Issue]) -> tuple[TaskRule, ...]:
    rules: list[TaskRule] = []
    for position, row in enumerate(config.tasks):
        given = (row.queue, row.executor, row.executor_config, row.priority_weight)
        if all(value is None for value in given):
            message = "The row gives no value, so it changes nothing."
            fix = "Give it `queue`, `executor`, `executor_config` or `priority_weight`, or remove it."
            issues.append(warning("idle-setting", message, fix, file=file, key=f"tasks[{position}]"))
        rules.append(
            TaskRule(
                targets=row.when.target,
                kinds=row.when.kind,
                nodes=row.when.node,
                queue=row.queue,
                executor=row.executor,
                executor_config=row.executor_config,
                priority_weight=row.priority_weight,
            )
        )
    return tuple(rules)


def _node_settings(config: Config, file: str, issues: list[Issue]) -> NodeSettingsPlaces:
    written = config.node_settings
    for position, name in enumerate(written.ignore):
        if name not in NODE_SETTING_NAMES:
            key = f"node_settings.ignore[{position}]"
            message = f"{quoted(name)} is not the name of a node setting."
            issues.append(error("bad-setting", message, choose_from(name, NODE_SETTING_NAMES), file=file, key=key))
    known = tuple(name for name in dict.fromkeys(written.ignore) if name in NODE_SETTING_NAMES)
    return NodeSettingsPlaces(tuple(dict.fromkeys(written.places)), known)
