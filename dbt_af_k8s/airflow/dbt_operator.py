"""The dbt operator: one task, one dbt process, green only when dbt's own results say so."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dbt_af_k8s.airflow.integrations.artifacts import ArtifactSender
from dbt_af_k8s.airflow.interval import interval_of_run, names_its_interval, skip_outside, span_text
from dbt_af_k8s.airflow.skips import skip_not_due
from dbt_af_k8s.airflow.task_result import task_result
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.here import Here
from dbt_af_k8s.dbt.logs import LogLine
from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.dbt.place import Place, PlaceError, PlaceRefusesError
from dbt_af_k8s.dbt.results import Verdict
from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import DbtAfK8sError, UsageError
from dbt_af_k8s.pods.dbt_values import DbtPod
from dbt_af_k8s.schedule.values import Interval

Answer = TypeVar("Answer")


class DbtFailedError(AirflowFailException, DbtAfK8sError):
    """dbt failed in a way that another try would not mend; Airflow does not retry the task."""


class DbtRetryError(AirflowException, DbtAfK8sError):
    """dbt failed for a reason that may pass; Airflow retries the task as its settings say."""


class DbtOperator(BaseOperator):
    """Runs dbt on the nodes of one task, for the data interval of the run.

    `invocation` says what to run and `project` where it lies on the worker; `DbtOperator.for_nodes` makes both from
    plain arguments. `cron` (five fields) and `timezone` (IANA name) are those of the DAG: a run by hand takes its
    interval from them where its form is empty. `variables` are dbt vars besides `start_dttm` and `end_dttm`. A run
    whose interval lies wholly before `enable_from` or from `disable_from` on is skipped; tasks downstream that use
    the trigger rule `none_failed` go on. `runner` (an API) or `pod` say where dbt runs, if not on the worker. `base`
    goes to Airflow's `BaseOperator`.

    The batches of a microbatch model begin `lookback` batches before the interval and never before `begin`, unless a
    person or a backfill has named the interval.

    Every try has a target folder of its own, so tasks in parallel never write to the same file. The task returns
    `status`, `rows`, `seconds`, `message`, and `nodes` for tests. It raises `DbtFailedError` where a retry is of no
    use (failed data tests, SQL or Jinja that does not compile, a project that does not parse), else `DbtRetryError`.
    """

    #: Shown in Airflow under "Rendered Templates": what this task runs, and for which interval.
    template_fields = ("command",)
    ui_color = "#ffe4d6"
    #: The verb of `for_nodes` where none is given.
    usual_verb: ClassVar[str] = "run"

    def __init__(
        self,
        *,
        task_id: str,
        invocation: DbtInvocation,
        project: DbtProject,
        cron: str | None = None,
        timezone: str = "UTC",
        variables: Mapping[str, Any] | None = None,
        enable_from: datetime | None = None,
        disable_from: datetime | None = None,
        artifacts: ArtifactSender | None = None,
        runner: DbtApiOptions | None = None,
        pod: DbtPod | None = None,
        **base: Any,
    ) -> None:
        super().__init__(task_id=task_id, **base)
        self.runner = runner
        self.dbt_pod = pod
        self.invocation = invocation
        self.project = project
        self.cron = cron
        self.timezone = timezone
        self.variables = variables
        self.enable_from = enable_from
        self.disable_from = disable_from
        self.artifacts = artifacts
        self.command = command_text(invocation)
        self._run: DbtRun | None = None
        self._not_sent: str | None = None
        self._resumed: Mapping[str, Any] | None = None

    @classmethod
    def for_nodes(
        cls,
        *,
        task_id: str,
        project_dir: str | Path,
        nodes: str | Sequence[str],
        verb: str | None = None,
        target: str | None = None,
        profiles_dir: str | Path | None = None,
        executable: str | None = None,
        env: Mapping[str, str] | None = None,
        microbatch: bool | Microbatch = False,
        **base: Any,
    ) -> Self:
        """The operator for a hand-written DAG.

        `nodes` are unique_ids as dbt shows them (`model.shop.orders`; `dbt ls --output json` lists them), one for the
        verbs `run`, `seed` and `snapshot`, one or more for `test`. `executable` is the dbt program, by default the
        one of the environment that runs the task. `env` goes over the worker's environment. `base` goes to
        `DbtOperator`.

        Raises `UsageError` for what is no unique_id.
        """
        unique_ids = (nodes,) if isinstance(nodes, str) else tuple(nodes)
        invocation = DbtInvocation(
            verb=verb or cls.usual_verb,
            nodes=tuple(node_by_id(unique_id) for unique_id in unique_ids),
            target=target,
            microbatch=batches_of(microbatch),
            executable=executable,
            env=env_pairs(env),
        )
        return cls(task_id=task_id, invocation=invocation, project=project_at(project_dir, profiles_dir), **base)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Write the interval into the field that Airflow shows. Nothing in it is a template."""
        try:
            self.command = f"{command_text(self.invocation)}\n{span_text(self.interval(context))}"
        except UsageError as error:
            self.command = f"{command_text(self.invocation)}\n{error}"

    def execute(self, context: Any) -> dict[str, Any]:
        """Run dbt and judge it."""
        interval = self.interval_or_fail(context)
        batches_from = self._batches_from(context, interval)
        return self.build(context, interval, self.invocation, variables=self.variables, batches_from=batches_from)

    def _batches_from(self, context: Any, interval: Interval) -> datetime | None:
        """Where the batches of a microbatch model begin; None: where the interval does.

        An interval that a person or a backfill names is taken as it is, as dbt takes explicit event times.
        """
        batches = self.invocation.microbatch
        if batches is None or names_its_interval(context):
            return None
        start = batches.start_of(interval.start)
        if start >= interval.end:
            skip_not_due(
                context, f"the interval ends at {interval.end.isoformat()}, before `begin` {start.isoformat()}."
            )
        return start

    def build(
        self,
        context: Any,
        interval: Interval,
        invocation: DbtInvocation,
        *,
        variables: Mapping[str, Any] | None = None,
        full_refresh: bool = False,
        batches_from: datetime | None = None,
    ) -> dict[str, Any]:
        """Run dbt for an interval, and tell what came of it as the task's result."""
        if batches_from is not None and batches_from != interval.start:
            self.log.info("The batches begin at %s: `lookback` and `begin` of the model", batches_from.isoformat())
        found = self.start_dbt(
            context,
            interval,
            invocation,
            lambda run: run.run(
                start=interval.start,
                end=interval.end,
                on_line=self.tell,
                variables=variables,
                full_refresh=full_refresh,
                batches_from=batches_from,
            ),
        )
        return self.result_of(found, with_nodes=invocation.verb == "test")

    def start_dbt(
        self, context: Any, interval: Interval, invocation: DbtInvocation, work: Callable[[DbtRun], Answer]
    ) -> Answer:
        """Give `work` a dbt run to start, one that ends when this task is killed."""
        skip_outside(context, interval, self.enable_from, self.disable_from)
        self.log.info("%s, %s", command_text(invocation), span_text(interval))
        if interval.start == interval.end:
            self.log.warning("The data interval is empty: give the DAG a CronDataIntervalTimetable, not a cron.")
        try:
            self._run = DbtRun(invocation, self.place(context, invocation))
            return work(self._run)
        except (UsageError, PlaceRefusesError) as error:
            raise DbtFailedError(str(error)) from None
        except PlaceError as error:
            raise DbtRetryError(str(error)) from None

    def place(self, context: Any, invocation: DbtInvocation) -> Place:
        """Where dbt runs: this machine, or where the runner's options say."""
        if self.runner is not None:
            from dbt_af_k8s.airflow.api.tasks import api_place

            return api_place(self, context, self.runner, self._resumed)
        if self.dbt_pod is not None:
            from dbt_af_k8s.airflow.dbt_pods.place import place_in_pod

            return place_in_pod(self, invocation, context, self._resumed)
        on_artifacts = self.hand_over if self.artifacts else None
        return Here(invocation, self.project, environment=os.environ, on_artifacts=on_artifacts)

    @property
    def is_resumed(self) -> bool:
        """Whether dbt was started before this task was deferred, and the task only sees it through."""
        return self._resumed is not None

    def resume(self, context: Any, event: Mapping[str, Any] | None = None, **kept: Any) -> Any:
        """Go on where the triggerer has waited: the same steps again, which find the work that was begun."""
        self._resumed = {**kept, "event": event or {}}
        try:
            return self.execute(context)
        finally:
            self._resumed = None

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """As Airflow's; but where the trigger itself failed, the task goes and sees."""
        if next_method == TRIGGER_FAIL_REPR and (self.runner or self.dbt_pod):
            self.log.warning("The triggerer failed (%s): the task looks itself.", (next_kwargs or {}).get("error"))
            return self.execute(context)
        return super().resume_execution(next_method, next_kwargs, context)

    def result_of(self, found: Verdict, *, with_nodes: bool = False) -> dict[str, Any]:
        """The task's result where dbt did well; else the error that says so."""
        if not found.ok:
            raise (DbtRetryError if found.retryable else DbtFailedError)(found.summary)
        self.log.info("%s", found.summary)
        if self._not_sent is not None:
            raise DbtRetryError(f"dbt did well, but its artefacts were not sent: {self._not_sent}")
        return task_result(found, with_nodes=with_nodes)

    def on_kill(self) -> None:
        """End dbt and all that it started."""
        if self._run is not None:
            self._run.stop()

    def hand_over(self, folder: Path, trouble: str | None = None) -> None:
        """Send the artefacts in a folder to whom they are for; `trouble` is why they are not there."""
        if self.artifacts is not None:
            self._not_sent = self.artifacts.send(folder, self.log, trouble)

    def interval(self, context: Mapping[str, Any]) -> Interval:
        """The interval that this task is about. `UsageError` where the form holds something that is none."""
        return interval_of_run(context, cron=self.cron, timezone=self.timezone)

    def interval_or_fail(self, context: Mapping[str, Any]) -> Interval:
        """The same; where there is none, the task fails and is not retried."""
        try:
            return self.interval(context)
        except UsageError as error:
            raise DbtFailedError(str(error)) from None

    def tell(self, line: LogLine) -> None:
        """One record per line: Airflow's log view shows a record as one line."""
        for text in line.message.splitlines():
            self.log.log(line.level, "%s", text)


def command_text(invocation: DbtInvocation) -> str:
    """What dbt is asked to do, for a person."""
    nodes = ", ".join(node.unique_id for node in invocation.nodes)
    target = f" on target {invocation.target}" if invocation.target else ""
    operation = f" {invocation.operation}" if invocation.operation else ""
    return f"dbt {invocation.verb}{operation} {nodes}{target}"


def project_at(project_dir: str | Path, profiles_dir: str | Path | None) -> DbtProject:
    """The project of a hand-written task; relative paths are relative to the working folder."""
    profiles = None if profiles_dir is None else Path(profiles_dir).absolute()
    return DbtProject(project_dir=Path(project_dir).absolute(), profiles_dir=profiles)


def batches_of(microbatch: bool | Microbatch) -> Microbatch | None:
    """The batches of a hand-written task: as given, or of a size that only dbt knows."""
    return (Microbatch() if microbatch else None) if isinstance(microbatch, bool) else microbatch


def env_pairs(env: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Environment variables as an invocation has them."""
    return tuple(sorted((env or {}).items()))
