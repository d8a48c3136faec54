"""Scripts as processes of the worker: a pod's script where there is no cluster, and scripts in a venv."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from dbt_af_k8s.airflow.interval import span_text
from dbt_af_k8s.airflow.scripts.run import ScriptCalendar, ScriptFailedError, ScriptRetryError
from dbt_af_k8s.dbt.ancestors import task_ancestors
from dbt_af_k8s.dbt.process import ChildProcess, ProcessEnd
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.pods.values import PodRun
from dbt_af_k8s.schedule.values import Interval


class ScriptOnWorker(BaseOperator):
    """What both have in common: start a process, copy its output into the log, judge its end, hand on its result."""

    #: Shown in Airflow under "Rendered Templates".
    template_fields = ("command",)
    ui_color = "#e6e0f3"

    def __init__(self, *, task_id: str, node: str, where: str, calendar: ScriptCalendar, **base: Any) -> None:
        super().__init__(task_id=task_id, **base)
        self.calendar = calendar
        self.node = node
        self.command = f"script of {node} {where}"
        self._ancestors: tuple[str, ...] = ()
        self._process: ChildProcess | None = None
        self._is_stopped = False

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Write the interval into the field that Airflow shows. Nothing in it is a template."""
        self.command = f"{self.command}\n{self.calendar.told(context, self.node)}"

    def run_of(self, context: Any) -> PodRun:
        """The run of this task, told in the log. Skips the task where its node does not run."""
        self._ancestors = task_ancestors()
        run = self.calendar.run_of(context, self.node)
        self.log.info("%s, %s", self.command.partition("\n")[0], span_text(Interval(run.start, run.end)))
        return run

    def run_process(self, argv: Sequence[str], environment: Mapping[str, str]) -> ProcessEnd:
        """Run a program to its end, in an empty folder of its own."""
        with tempfile.TemporaryDirectory(prefix="dbt_af_k8s_script_", ignore_cleanup_errors=True) as folder:
            return self.run_in(Path(folder), argv, environment)

    def run_in(
        self, folder: Path, argv: Sequence[str], environment: Mapping[str, str], hide: Sequence[str] = ()
    ) -> ProcessEnd:
        """The same in a folder that is there. Texts to `hide` do not get into the log."""

        def tell(line: str) -> None:
            for secret in hide:
                line = line.replace(secret, "***")
            self.log.info("%s", line)

        self._process = ChildProcess(argv, cwd=folder, environment=environment, depends_on=self._ancestors)
        if self._is_stopped:
            self._process.stop()
        try:
            return self._process.run(tell)
        except UsageError as error:
            raise ScriptFailedError(str(error)) from None

    def on_kill(self) -> None:
        """End the script and all that it started."""
        self._is_stopped = True
        if self._process is not None:
            self._process.stop()

    def judge(self, ended: ProcessEnd, *, is_worth_a_retry: bool) -> None:
        """Nothing where the script did well, else the error that says how it ended."""
        if ended.is_orphaned:
            raise ScriptRetryError("The script was stopped: Airflow's process above this task is gone.")
        if ended.was_stopped:
            raise ScriptRetryError("The script was stopped.")
        if ended.exit_code == 0:
            return
        told = f"exit code {ended.exit_code}" if ended.exit_code > 0 else f"signal {-ended.exit_code}"
        raise (ScriptRetryError if is_worth_a_retry else ScriptFailedError)(f"The script failed: {told}.")

    def result_in(self, file: Path) -> Any:
        """What the script left for XCom, or None."""
        if not file.exists():
            return None
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError) as reason:
            raise ScriptFailedError(f"The script's result is no JSON: {reason}.") from None


class DbtLocalScriptOperator(ScriptOnWorker):
    """Runs the script of a pod as a process of the worker, with the environment that the pod would give it.

    No pod is made, and the log says so: the image, its packages, volumes and variables out of Secrets are not there.
    The script runs on the Python that Airflow runs on. `pod` is the plan of the pod. The result is that of the script.
    """

    def __init__(self, *, task_id: str, pod: PodPlan, calendar: ScriptCalendar, **base: Any) -> None:
        where = "as a process of this machine: no pod is made"
        super().__init__(task_id=task_id, node=pod.payload.node, where=where, calendar=calendar, **base)
        self.pod = pod

    def execute(self, context: Any) -> Any:
        """Run the script and judge its end."""
        # What a pod's environment is made of is imported where it is made: a parse of the DAG file needs none of it.
        from dbt_af_k8s.pods.local import local_script

        target, payload = self.pod.target, self.pod.payload
        run = self.run_of(context)
        with tempfile.TemporaryDirectory(prefix="dbt_af_k8s_result_", ignore_cleanup_errors=True) as folder:
            result = Path(folder) / "return.json"
            script = local_script(target, payload, run, result_file=str(result))
            for name in script.only_in_cluster:
                self.log.warning("%s comes from the cluster; here it has the value of this machine, if any.", name)
            ended = self.run_process((sys.executable, *script.args), {**os.environ, **dict(script.env)})
            is_worth_a_retry = target.retry_script and (
                not target.retry_exit_codes or ended.exit_code in target.retry_exit_codes
            )
            self.judge(ended, is_worth_a_retry=is_worth_a_retry)
            return self.result_in(result) if target.xcom else None
