"""Looking at the age of a source: once, as a check, or until it is young enough, as a gate."""

import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from dbt_af_k8s.airflow.dbt_operator import (
    DbtFailedError,
    DbtOperator,
    DbtRetryError,
    command_text,
    env_pairs,
    project_at,
)
from dbt_af_k8s.airflow.interval import interval_of_run, skip_outside, span_text
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.freshness import FreshnessVerdict, SourceAge
from dbt_af_k8s.dbt.logs import LogLine
from dbt_af_k8s.dbt.place import PlaceError, PlaceRefusesError
from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import DbtAfK8sError, UsageError
from dbt_af_k8s.pods.dbt_values import DbtPod
from dbt_af_k8s.schedule.values import Interval

#: Rescheduling a sensor more often than this races with the executor and fails the task (seconds).
_SHORTEST_RESCHEDULE = 60.0
#: A look may take this long at least (seconds), else as long as the whole wait. Airflow looks at a sensor's timeout
#: only between two looks, and dbt may wait for a lock, or in the queue of a server.
_LOOK_SECONDS = 600.0


class StaleSourceError(DbtFailedError):
    """The source is older than its `error_after`. Airflow does not retry the check: the next run looks again."""


class SourceNotFreshError(AirflowSensorTimeout, DbtAfK8sError):
    """The source did not become fresh in time. Airflow does not retry a sensor that timed out."""


class DbtFreshnessOperator(DbtOperator):
    """Runs `dbt source freshness` on one source. Arguments as for `DbtOperator`.

    The task's result, also of a stale source, has `status` (`pass`, `warn` or `error`), `age` in seconds,
    `max_loaded_at`, `snapshotted_at` and `limits`. A source past its `warn_after` is green, with a warning in the log;
    one past its `error_after` raises `StaleSourceError`. Where dbt cannot tell the age (the warehouse does not answer,
    there is no such table) it raises `DbtRetryError`.
    """

    ui_color = "#fdf3c7"

    @classmethod
    def for_source(
        cls,
        *,
        task_id: str,
        project_dir: str | Path,
        source: str,
        target: str | None = None,
        profiles_dir: str | Path | None = None,
        executable: str | None = None,
        env: Mapping[str, str] | None = None,
        **base: Any,
    ) -> "DbtFreshnessOperator":
        """The operator for a hand-written DAG. `source` is a unique_id: `source.shop.raw.events`.

        The other arguments are those of `DbtOperator.for_nodes`. Raises `UsageError` for what is no source.
        """
        invocation = look_at(source, target, executable, env)
        return cls(task_id=task_id, invocation=invocation, project=project_at(project_dir, profiles_dir), **base)

    def execute(self, context: Any) -> dict[str, Any]:
        """Look once."""
        interval = self.interval_or_fail(context)
        found = self.start_dbt(
            context,
            interval,
            self.invocation,
            lambda run: run.look(start=interval.start, end=interval.end, on_line=self.tell, variables=self.variables),
        )
        if found.source is None:
            raise (DbtRetryError if found.retryable else DbtFailedError)(found.summary)
        if found.is_stale:
            context["ti"].xcom_push(key="return_value", value=_xcom(found.source))
            raise StaleSourceError(found.summary)
        self.log.log(_level(found), "%s", found.summary)
        return _xcom(found.source)


class DbtFreshnessSensor(BaseSensorOperator):
    """Waits until `dbt source freshness`, which it runs itself at each look, says that one source is not too old.

    `poke_interval` and `timeout` are in seconds. With a `poke_interval` of a minute or more it gives its worker slot
    back between two looks; it is never deferred, since a triggerer runs no dbt. The other arguments are those of
    `DbtOperator`; `base` goes to Airflow's `BaseSensorOperator`.

    Returns what `DbtFreshnessOperator` returns. Where dbt cannot tell the age, the next look tries again. Raises
    `SourceNotFreshError` when the time is up, and `DbtFailedError` where no later look could succeed (a project that
    does not parse).
    """

    #: Shown in Airflow under "Rendered Templates": what this task runs, and for which interval.
    template_fields = ("command",)
    ui_color = "#fdf3c7"

    def __init__(
        self,
        *,
        task_id: str,
        invocation: DbtInvocation,
        project: DbtProject,
        poke_interval: float,
        timeout: float,
        cron: str | None = None,
        timezone: str = "UTC",
        enable_from: datetime | None = None,
        disable_from: datetime | None = None,
        runner: DbtApiOptions | None = None,
        pod: DbtPod | None = None,
        **base: Any,
    ) -> None:
        mode = "reschedule" if poke_interval >= _SHORTEST_RESCHEDULE else "poke"
        super().__init__(task_id=task_id, poke_interval=poke_interval, timeout=timeout, mode=mode, **base)
        self.invocation = invocation
        self.project = project
        self.cron = cron
        self.timezone = timezone
        self.enable_from = enable_from
        self.disable_from = disable_from
        self.command = command_text(invocation)
        self.runner = runner
        self.dbt_pod = pod
        self._run: DbtRun | None = None
        self._found: FreshnessVerdict | None = None

    @classmethod
    def for_source(
        cls,
        *,
        task_id: str,
        project_dir: str | Path,
        source: str,
        poke_interval: float,
        timeout: float,
        target: str | None = None,
        profiles_dir: str | Path | None = None,
        executable: str | None = None,
        env: Mapping[str, str] | None = None,
        **base: Any,
    ) -> "DbtFreshnessSensor":
        """The sensor for a hand-written DAG; arguments as for `DbtFreshnessOperator.for_source`."""
        return cls(
            task_id=task_id,
            invocation=look_at(source, target, executable, env),
            project=project_at(project_dir, profiles_dir),
            poke_interval=poke_interval,
            timeout=timeout,
            **base,
        )

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Write the interval into the field that Airflow shows. Nothing in it is a template."""
        try:
            self.command = f"{command_text(self.invocation)}\n{span_text(self._interval(context))}"
        except UsageError as error:
            self.command = f"{command_text(self.invocation)}\n{error}"

    def execute(self, context: Any) -> dict[str, Any]:
        """Look until the source is fresh; the last look is the result."""
        try:
            super().execute(context)
        except AirflowSensorTimeout:
            raise SourceNotFreshError(self._too_late()) from None
        if self._found is None or self._found.source is None:
            raise DbtFailedError("Airflow ended the wait without a look.")
        return _xcom(self._found.source)

    def poke(self, context: Any) -> bool:
        """Look once."""
        try:
            interval = self._interval(context)
        except UsageError as error:
            raise DbtFailedError(str(error)) from None
        skip_outside(context, interval, self.enable_from, self.disable_from)
        try:
            self._run = self._new_run(context)
            found = self._run.look(
                start=interval.start,
                end=interval.end,
                on_line=self._tell,
                timeout=max(self.timeout, _LOOK_SECONDS),
            )
        except (UsageError, PlaceRefusesError) as error:
            raise DbtFailedError(str(error)) from None
        except PlaceError as error:
            found = FreshnessVerdict(False, str(error), retryable=True)
        self._found = found
        if found.ok:
            self.log.log(_level(found), "%s", found.summary)
        elif found.is_stale:
            self.log.info("%s; looks again in %g s", found.summary, self.poke_interval)
        elif found.retryable:
            self.log.warning("%s\nLooks again in %g s.", found.summary, self.poke_interval)
        else:
            raise DbtFailedError(found.summary)
        return found.ok

    def on_kill(self) -> None:
        """End dbt and all that it started."""
        if self._run is not None:
            self._run.stop()

    def _new_run(self, context: Any) -> DbtRun:
        if self.runner is not None:
            from dbt_af_k8s.airflow.api.place import part_of_now
            from dbt_af_k8s.airflow.api.tasks import api_place

            return DbtRun(self.invocation, api_place(self, context, self.runner, part=part_of_now()))
        if self.dbt_pod is not None:
            from dbt_af_k8s.airflow.dbt_pods.place import place_in_pod

            return DbtRun(self.invocation, place_in_pod(self, self.invocation, context))
        return DbtRun.here(self.invocation, self.project, environment=os.environ)

    def _interval(self, context: Mapping[str, Any]) -> Interval:
        return interval_of_run(context, cron=self.cron, timezone=self.timezone)

    def _tell(self, line: LogLine) -> None:
        """Only what is worth reading at every look: warnings and errors."""
        if line.level >= logging.WARNING:
            for text in line.message.splitlines():
                self.log.log(line.level, "%s", text)

    def _too_late(self) -> str:
        last = "no look came to an end" if self._found is None else self._found.summary
        return (
            f"Waited {self.timeout:g} s for {self.invocation.nodes[0].unique_id} to be fresh. Last look: {last}\n"
            "Let the source be loaded, then clear this task; what is downstream of it goes on."
        )


def look_at(source: str, target: str | None, executable: str | None, env: Mapping[str, str] | None) -> DbtInvocation:
    """`dbt source freshness` of one source. Raises `UsageError` for what is no unique_id of a source."""
    if not source.startswith("source.") or source.count(".") < 3:
        raise UsageError(f"{source!r} is no unique_id of a source: it is written as `source.shop.raw.events`.")
    return DbtInvocation("freshness", (node_by_id(source),), target, executable=executable, env=env_pairs(env))


def _level(found: FreshnessVerdict) -> int:
    is_warning = found.source is not None and found.source.status == "warn"
    return logging.WARNING if is_warning else logging.INFO


def _xcom(source: SourceAge) -> dict[str, Any]:
    return {
        "status": source.status,
        "age": None if source.age is None else round(source.age, 3),
        "max_loaded_at": source.max_loaded_at,
        "snapshotted_at": source.snapshotted_at,
        "limits": source.limits,
    }
