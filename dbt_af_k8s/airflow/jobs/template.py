"""The job operator: a YAML template with Jinja becomes a Kubernetes Job, and the task is what becomes of the Job."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from airflow.sdk import BaseOperator

from dbt_af_k8s.airflow.cluster_calls import Cluster, ClusterError
from dbt_af_k8s.airflow.jobs.errors import JobFailedError, JobRefusedError, lost, refusal
from dbt_af_k8s.airflow.jobs.runs import claim_name_in, run_of
from dbt_af_k8s.airflow.jobs.watch import JobWatch
from dbt_af_k8s.config.rendered_path import rendered_path_problem
from dbt_af_k8s.errors import ProjectError, UsageError
from dbt_af_k8s.jobs.run import JobRun, judgement, names_of, state_of, suspension, to_adopt, was_suspended_by_us
from dbt_af_k8s.jobs.tail import tail_settings
from dbt_af_k8s.jobs.values import VolumeClaim
from dbt_af_k8s.jobs.verdict import failure_of, full_name, progress_of, seconds_of
from dbt_af_k8s.k8s.cluster import ClusterAccess

#: Seconds that a former job of the same name gets to disappear.
DELETION = 120


class KubernetesJobTemplateOperator(BaseOperator):
    """Runs a Kubernetes Job from a YAML template, waits until it is over, and fails when it failed.

    `template` is the name of a file, looked for in `search_paths`, in the folder of the DAG file and in the DAG's
    `template_searchpath`; or a full path, whose folder is then searched first. The template is Jinja (blocks,
    `extends`, includes, in a sandbox, a name that nothing defines is an error) over Airflow's variables (`ds`,
    `data_interval_start`, `params`, `ti`, `var`, `conn`, `macros`), the DAG's own macros and filters, and
    `template_fields`, whose texts may be templates themselves.

    The cluster: `kubernetes_conn_id`, or `config_file` and `cluster_context`, or `in_cluster`; nothing given: Airflow's
    own, else the default kubeconfig. `namespace` where the template names none.

    The job's name gets a suffix of its run and task, unless `name_suffix` is false; a later try finds it by its labels,
    and takes it over. `tail_logs` copies the pods' output into the task's log, every
    `tail_logs_every` seconds (10), at most `tail_logs_line_count` lines of a container at a time (all), or
    `tail_logs_only_at_end`; any of these three implies the first. `delete_completed` deletes the job when it has
    succeeded. `write_rendered_to` is a path for the rendered YAML. A path that is a template stays below the folder
    before its first `{{`. `on_kill_action` says what becomes of the job when the task is killed: `delete`, `suspend`
    (the next try resumes it) or `keep`. `poll_every` is in seconds. When no
    pod runs `startup_timeout` seconds after the first was made, the task gives up and deletes the job; None: never.
    With `deferrable` it waits in the triggerer; output then comes at the end, or every `tail_logs_every` seconds where
    that is given. `base` goes to Airflow's `BaseOperator`.

    The task returns `name`, `namespace`, `succeeded`, `failed` (pods) and `seconds`. It raises `JobFailedError` where
    the job failed, with the reason in one line, and `JobRefusedError` where template or object are wrong.
    """

    #: `rendered` is the job for Airflow's page "Rendered Templates".
    template_fields: Sequence[str] = (
        *("template", "fields", "search_paths", "namespace", "kubernetes_conn_id", "config_file", "cluster_context"),
        *("write_rendered_to", "rendered"),
    )
    template_fields_renderers = {"rendered": "yaml", "fields": "json"}  # noqa: RUF012 - Airflow's name and type
    ui_color = "#d6e4ff"

    def __init__(
        self,
        *,
        task_id: str,
        template: str | Path,
        template_fields: Mapping[str, Any] | None = None,
        search_paths: Sequence[str | Path] = (),
        namespace: str | None = None,
        kubernetes_conn_id: str | None = None,
        config_file: str | Path | None = None,
        cluster_context: str | None = None,
        in_cluster: bool | None = None,
        name_suffix: bool = True,
        tail_logs: bool | None = None,
        tail_logs_every: int | None = None,
        tail_logs_line_count: int | None = None,
        tail_logs_only_at_end: bool | None = None,
        delete_completed: bool = False,
        write_rendered_to: str | Path | None = None,
        on_kill_action: Literal["delete", "suspend", "keep"] = "delete",
        poll_every: float = 5,
        startup_timeout: int | None = 1200,
        deferrable: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(task_id=task_id, **base)
        if on_kill_action not in ("delete", "suspend", "keep"):
            raise UsageError(f"`on_kill_action` is `delete`, `suspend` or `keep`, not {on_kill_action!r}.")
        self.template = str(template)
        self.fields = dict(template_fields or {})
        self.search_paths = [str(path) for path in search_paths]
        self.namespace = namespace
        self.kubernetes_conn_id = kubernetes_conn_id
        self.config_file = None if config_file is None else str(config_file)
        self.cluster_context = cluster_context
        self.in_cluster = in_cluster
        self.name_suffix = name_suffix
        self.tail = tail_settings(tail_logs, tail_logs_every, tail_logs_line_count, tail_logs_only_at_end)
        self.delete_completed = delete_completed
        self.write_rendered_to = None if write_rendered_to is None else str(write_rendered_to)
        self.on_kill_action = on_kill_action
        self.poll_every = poll_every
        self.startup_timeout = startup_timeout
        self.deferrable = deferrable
        self.claim: VolumeClaim | None = None
        self.rendered = ""
        self._job: dict[str, Any] | None = None
        #: Why a path cannot be what it was rendered to.
        self._strayed: str | None = None
        self._killed: tuple[Cluster, dict[str, Any]] | None = None

    def variables(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What the template may use by name: Airflow's variables, and over them the fields."""
        own = {} if self.claim is None else {"volume_claim": claim_name_in(context, self.claim)}
        return {**context, **own, **self.fields}

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render the arguments, and then the template, so that Airflow can show what is sent."""
        from dbt_af_k8s.airflow.jobs.rendering import shown_job

        # What it held from an earlier rendering is text of the job, and no template.
        self.rendered = ""
        written = self._paths()
        super().render_template_fields(context, jinja_env)
        problems = [
            problem
            for (name, before), (_, after) in zip(written, self._paths(), strict=True)
            if (problem := rendered_path_problem(name, before, after))
        ]
        self._strayed = " ".join(problems) or None
        if self._strayed is not None:
            self.rendered = self._strayed
            return
        try:
            self._job = self._render_job(context, jinja_env)
            self.rendered = shown_job(self._job, self.fields)
        except ProjectError as error:
            # `execute` tells it: what fails here has no place in the task's log.
            self.rendered = str(error)

    def _paths(self) -> list[tuple[str, str | None]]:
        """The arguments that are paths, each with its name."""
        return [
            ("template", self.template),
            ("config_file", self.config_file),
            ("write_rendered_to", self.write_rendered_to),
            *(("search_paths", path) for path in self.search_paths),
        ]

    def _render_job(self, context: Mapping[str, Any], jinja_env: Any = None) -> dict[str, Any]:
        from dbt_af_k8s.airflow.jobs.rendering import rendered_job, template_folders

        return rendered_job(
            self.template,
            template_folders(self.search_paths, self.get_dag()),
            self.variables(context),
            jinja_env if jinja_env is not None else self.get_template_env(),
            self.write_rendered_to,
        )

    def execute(self, context: Any) -> dict[str, Any]:
        """Make the job, or find it again, and see it through."""
        if self._strayed is not None:
            raise JobRefusedError(self._strayed)
        try:
            template = self._job or self._render_job(context)
            cluster = Cluster(self.access())
            job = self._made_or_found(cluster, template, run_of(context))
            return self._see_through(cluster, job, {})
        except ProjectError as error:
            raise JobRefusedError(f"The template makes no job.\n{error}") from None
        except ClusterError as error:
            raise refusal(error) from None

    def resume(
        self, context: Any, event: Mapping[str, Any], namespace: str, name: str, positions: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Go on when the trigger has fired."""
        try:
            cluster = Cluster(self.access())
            job = event.get("job") or cluster.job(namespace, name)
            if job is None:
                raise lost(f"{namespace}/{name}")
            return self._see_through(cluster, job, positions)
        except ClusterError as error:
            raise refusal(error) from None

    def on_kill(self) -> None:
        """Delete the job, or suspend it, or let it run, as `on_kill_action` says."""
        if self._killed is None:
            return
        cluster, job = self._killed
        try:
            self._end(cluster, job)
        except ClusterError as error:
            self.log.warning("%s", error)

    def _end(self, cluster: Cluster, job: Mapping[str, Any]) -> None:
        namespace, name = str(job["metadata"]["namespace"]), str(job["metadata"]["name"])
        self.log.info("The task was killed; Job %s, on_kill_action: %s.", full_name(job), self.on_kill_action)
        if self.on_kill_action == "delete":
            cluster.delete_job(namespace, name)
        elif self.on_kill_action == "suspend":
            cluster.patch_job(namespace, name, suspension(True))

    def access(self) -> ClusterAccess:
        """The way into the cluster."""
        return ClusterAccess(self.kubernetes_conn_id, self.config_file, self.cluster_context, self.in_cluster)

    def _made_or_found(self, cluster: Cluster, template: Mapping[str, Any], run: JobRun) -> dict[str, Any]:
        from dbt_af_k8s.airflow.jobs.rendering import job_to_send, tell_job

        own = template.get("metadata", {}).get("namespace")
        namespace = own or self.namespace or cluster.namespace()
        if self.claim is not None and own and own != (self.namespace or cluster.namespace()):
            raise JobRefusedError(f"The template is for the namespace {own}, where its volume claim is not.")
        mine = cluster.jobs(namespace, run.selector)
        found = to_adopt(mine)
        if found is not None:
            self._killed = (cluster, dict(found))
            self.log.info("Found Job %s of an earlier try (%s): it is taken over.", full_name(found), state_of(found))
            if was_suspended_by_us(found):
                cluster.patch_job(namespace, str(found["metadata"]["name"]), suspension(False))
            return dict(found)
        job = job_to_send(template, run, namespace=namespace, name_suffix=self.name_suffix, taken=names_of(mine))
        tell_job(self.log, job, self.fields, self.on_kill_action, self.poll_every)
        if job["metadata"]["name"] in names_of(mine):
            self.log.info("Deleting the Job of an earlier try: without a suffix it has the same name.")
            cluster.delete_job(namespace, str(job["metadata"]["name"]), wait=DELETION)
        made = self._create(cluster, job, run)
        self._killed = (cluster, made)
        self.log.info("Made Job %s.", full_name(made))
        return made

    def _create(self, cluster: Cluster, job: dict[str, Any], run: JobRun) -> dict[str, Any]:
        try:
            return cluster.create_job(job)
        except ClusterError as error:
            if error.status != 409:
                raise
            there = cluster.job(str(job["metadata"]["namespace"]), str(job["metadata"]["name"]))
            if there is None or there["metadata"].get("deletionTimestamp"):
                if there is not None:
                    self.log.info("Job %s is still being deleted: waiting until it is gone.", full_name(there))
                    cluster.wait_until_gone("Job", there, DELETION)
                return cluster.create_job(job)
            labels = there["metadata"].get("labels") or {}
            if run.labels.items() <= labels.items():
                # The server made it, and its answer was lost on the way.
                return there
            owner = (there["metadata"].get("annotations") or {}).get("dbt-af-k8s/run") or "nobody that we know"
            raise JobRefusedError(
                f"There is a Job {full_name(there)} already; it belongs to {owner}. Leave `name_suffix` on, or give "
                "the template another name."
            ) from None

    def _see_through(self, cluster: Cluster, job: dict[str, Any], positions: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the end of a job, here or in the triggerer, and judge it."""
        self._killed = (cluster, job)
        watch = JobWatch(cluster, self.tail, self.log, positions)
        if self.deferrable and state_of(job) == "running":
            self._look_and_defer(cluster, job, watch)
        if state_of(job) == "running":
            ended, reason = watch.wait(job, every=self.poll_every, patience=self.startup_timeout)
            if ended is None:
                raise lost(full_name(job))
            if reason:
                self._give_up(cluster, ended, watch, reason)
            job = ended
        self._killed = None
        return self._judge(cluster, job, watch)

    def _look_and_defer(self, cluster: Cluster, job: dict[str, Any], watch: JobWatch) -> None:
        from dbt_af_k8s.airflow.jobs.trigger import KubernetesJobTemplateTrigger

        watch.tell_progress(job)
        logs = self.tail.every is not None
        if logs:
            watch.tell_logs(job)
        reason = watch.why_stuck(job, self.startup_timeout)
        if reason is not None:
            self._give_up(cluster, job, watch, reason)
        progress = progress_of(job)
        is_starting = not (progress.ready or progress.succeeded or progress.failed)
        look_after = self.startup_timeout if is_starting else None
        if logs:
            look_after = self.tail.seconds
        metadata = job["metadata"]
        self.defer(
            trigger=KubernetesJobTemplateTrigger.of(
                self.access(), job, self.poll_every, look_after, self.on_kill_action
            ),
            method_name="resume",
            kwargs={"namespace": metadata["namespace"], "name": metadata["name"], "positions": watch.snapshot()},
        )

    def _give_up(self, cluster: Cluster, job: dict[str, Any], watch: JobWatch, reason: str) -> None:
        watch.tell_events(job, cluster.pods(job))
        self._killed = None
        cluster.delete_job(str(job["metadata"]["namespace"]), str(job["metadata"]["name"]))
        raise JobFailedError(
            f"Job {full_name(job)} was given up: no pod came to run within {self.startup_timeout} s. {reason}"
        )

    def _judge(self, cluster: Cluster, job: dict[str, Any], watch: JobWatch) -> dict[str, Any]:
        namespace, name = str(job["metadata"]["namespace"]), str(job["metadata"]["name"])
        watch.tell_progress(job)
        watch.tell_logs(job, at_end=True)
        outcome = state_of(job)
        if outcome == "failed":
            pods = cluster.pods(job)
            watch.tell_events(job, pods)
            self._mark(cluster, namespace, name, outcome)
            raise JobFailedError(failure_of(job, pods))
        if self.delete_completed:
            cluster.delete_job(namespace, name)
        else:
            self._mark(cluster, namespace, name, outcome)
        progress = progress_of(job)
        seconds = seconds_of(job)
        self.log.info("Job %s is complete%s.", full_name(job), "" if seconds is None else f" after {seconds:.0f} s")
        counts = {"succeeded": progress.succeeded, "failed": progress.failed}
        return {"name": name, "namespace": namespace, **counts, "seconds": seconds}

    def _mark(self, cluster: Cluster, namespace: str, name: str, outcome: str) -> None:
        """Write onto the job that its end is told: a task that is cleared makes a new one."""
        try:
            cluster.patch_job(namespace, name, judgement(outcome))
        except ClusterError as error:
            self.log.warning("%s. When this task is cleared it will take the Job for one that is still to tell.", error)
