"""Tasks whose dbt runs in a pod get that pod, and the DAGs the clusters that their runs make: a pass over made DAGs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dbt_af_k8s.config.settings_runners import EksPodOptions, GkePodOptions, KubernetesPodOptions, NodeRunner
from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.names import IdBook
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.values import Control, DagPlan, TaskKind, TaskPlan
from dbt_af_k8s.pods.clouds import EksCluster, GkeCluster
from dbt_af_k8s.pods.dbt_values import ConnectionProfile, DbtPod
from dbt_af_k8s.pods.target import read_runner_pod
from dbt_af_k8s.pods.values import KubernetesTarget
from dbt_af_k8s.route.runners import choose_runner, options_row


@dataclass(frozen=True, slots=True)
class _Asked:
    """A task whose dbt runs in a pod."""

    task: TaskPlan
    options: KubernetesPodOptions
    #: The row of `runners` with the pod; None where the node's own `runner` says something of it.
    row: str | None
    #: Where the pod is written: the settings, or the node's file.
    file: str
    #: The node, where it names its runner itself.
    node: str | None = None


@dataclass(slots=True)
class RunnerPods:
    """The pods of the rows of `runners`, each read once."""

    inputs: PlanInputs
    decisions: Decisions
    _read: dict[str, tuple[KubernetesTarget | None, tuple[Issue, ...]]] = field(default_factory=dict)

    def faults(self, dags: Sequence[DagPlan]) -> Mapping[str, tuple[Issue, ...]]:
        """By domain: what is wrong with the pods of its tasks."""
        found: dict[str, dict[tuple[str | None, ...], Issue]] = {}
        for dag in dags:
            known = found.setdefault(dag.domain, {})
            for asked in self._asked(dag):
                issues = (*self._pod(asked)[1], *self._of_connection(asked), *_of_cluster(asked))
                node = next(iter(asked.task.nodes), None)
                for issue in issues:
                    # Once for a row, with the first of its nodes; and for each node that says it itself.
                    mark = (issue.message, issue.key, issue.file, asked.node if asked.row is None else None)
                    if issue.is_error:
                        known.setdefault(mark, replace(issue, node=node))
        return {domain: tuple(found[domain].values()) for domain in sorted(found) if found[domain]}

    def filled(self, dags: Sequence[DagPlan]) -> tuple[DagPlan, ...]:
        """The DAGs with the pods of their tasks; a task whose pod has errors stays as it is."""
        made = []
        for dag in dags:
            pods = {asked.task.task_id: self._dbt_pod(asked) for asked in self._asked(dag)}
            tasks = tuple(replace(task, dbt_pod=pods.get(task.task_id)) for task in dag.tasks) if pods else dag.tasks
            made.append(replace(dag, tasks=tasks))
        return tuple(made)

    def warnings(self) -> tuple[Issue, ...]:
        """What is to be told of the pods that were read, and is no error."""
        read = (self._read[key][1] for key in sorted(self._read))
        return tuple(issue for issues in read for issue in issues if not issue.is_error)

    def _asked(self, dag: DagPlan) -> Iterator[_Asked]:
        """The tasks whose dbt runs in a pod."""
        for task in dag.tasks:
            if task.dbt is None:
                continue
            rows = self.inputs.settings.runners
            node, own = self._own(task)
            rule = choose_runner(task.target, rows, own).rule
            if rule.runner != task.runner or not isinstance(rule.options, KubernetesPodOptions):
                continue
            if node is None or own is None:
                yield _Asked(task, rule.options, rule.pattern, self.inputs.settings_file)
                continue
            row = options_row(task.target, rows, own.runner)
            if row is None or "pod" in own.given:
                yield _Asked(task, rule.options, None, self._file(node), node)
            else:
                yield _Asked(task, rule.options, row.pattern, self.inputs.settings_file, node)

    def _own(self, task: TaskPlan) -> tuple[str | None, NodeRunner | None]:
        for key in task.nodes:
            decision = self.decisions.nodes.get(key) or self.decisions.sources.get(key)
            if decision is not None:
                return key, decision.settings.runner
        return None, None

    def _file(self, node: str) -> str:
        manifest = self.inputs.manifest
        return manifest.nodes[node].file if node in manifest.nodes else manifest.sources[node].file

    def _pod(self, asked: _Asked) -> tuple[KubernetesTarget | None, tuple[Issue, ...]]:
        options = asked.options
        is_of_cloud = isinstance(options, GkePodOptions | EksPodOptions)
        key = json.dumps([asked.row or "", asked.file, is_of_cloud, options.pod], sort_keys=True, default=str)
        if key not in self._read:
            shared = self.inputs.settings.kubernetes
            defaults: dict[str, Any] = {"namespace": shared.namespace}
            if not is_of_cloud:
                defaults["kubernetes_conn_id"] = shared.kubernetes_conn_id
            self._read[key] = read_runner_pod(
                options.pod,
                row=asked.row,
                file=asked.file,
                defaults={name: value for name, value in defaults.items() if value is not None},
                is_of_cloud=is_of_cloud,
            )
        return self._read[key]

    def _of_connection(self, asked: _Asked) -> tuple[Issue, ...]:
        if asked.options.conn_id is None or self._adapter(asked.task) is not None:
            return ()
        target = asked.task.target
        message = f"`conn_id` of a runner becomes an output of profiles.yml, and the type of `{target}` is not known."
        fix = "Give the project a profiles.yml in which the target has its `type`; secrets need not be in it."
        return (error("bad-kubernetes-target", message, fix, file=self.inputs.settings_file, key="runners"),)

    def _adapter(self, task: TaskPlan) -> str | None:
        profile = self.inputs.profile
        target = task.target or profile.default_target
        return profile.target_types.get(target or "") or self.inputs.manifest.adapter_type

    def _dbt_pod(self, asked: _Asked) -> DbtPod | None:
        task, options = asked.task, asked.options
        target, _ = self._pod(asked)
        if target is None:
            return None
        profile = self.inputs.profile
        connection = None
        if options.conn_id is not None:
            connection = ConnectionProfile(
                options.conn_id,
                profile.name,
                task.target or profile.default_target or "default",
                self._adapter(task) or "",
                options.output,
            )
        return DbtPod(
            target=replace(target, written={}),
            project_dir=options.project_dir,
            manifest=options.manifest or f"{self.inputs.target_path}/manifest.json",
            manifest_sha256=self.inputs.manifest.sha256,
            profiles_dir=options.profiles_dir,
            connection=connection,
            identity_binding=self.inputs.settings.kubernetes.airflow_identity_binding_selector,
            gke=_gke(options),
            eks=_eks(options),
        )


def _of_cluster(asked: _Asked) -> tuple[Issue, ...]:
    """What a row of the settings must say of a cloud's cluster, and a node whose runner no row has need not know."""
    options = asked.options
    needed: tuple[str, ...] = ()
    if isinstance(options, GkePodOptions):
        needed = ("project_id", "location", "cluster_name")
    elif isinstance(options, EksPodOptions):
        needed = ("cluster_name",)
    missing = ", ".join(f"`{name}`" for name in needed if not getattr(options, name))
    if not missing:
        return ()
    message = f"The runner `{asked.task.runner}` lacks {missing}, so it does not say which cluster."
    fix = "Give them in a row of `runners` with that runner."
    return (error("bad-node-setting", message, fix, file=asked.file, key="meta.runner"),)


def _gke(options: KubernetesPodOptions) -> GkeCluster | None:
    if not isinstance(options, GkePodOptions):
        return None
    return GkeCluster(
        options.project_id,
        options.location,
        options.cluster_name,
        options.gcp_conn_id,
        options.impersonation_chain,
        options.use_internal_ip,
        options.use_dns_endpoint,
        options.create,
    )


def _eks(options: KubernetesPodOptions) -> EksCluster | None:
    if not isinstance(options, EksPodOptions):
        return None
    return EksCluster(options.cluster_name, options.region, options.aws_conn_id)


def with_clusters(dag: DagPlan) -> DagPlan:
    """The DAG with a setup and a teardown task for each cluster that its runs make, around the tasks that need it.

    Airflow wants nothing but success of what comes right after a setup task, and a node's task may come after a skipped
    one; so a task in between says that the cluster is there.
    """
    tasks = list(dag.tasks)
    book = IdBook(task.task_id for task in tasks)
    for cloud in _clusters(tasks):
        name = f"cluster__{cloud.cluster_name}"
        make, ready, delete = (book.claim(f"{name}{end}", f"{name}{end}") for end in ("", "__ready", "__deletion"))
        needing = [task for task in tasks if task.dbt_pod is not None and task.dbt_pod.gke == cloud]
        like = needing[0]
        last = {task.task_id for task in needing}
        tasks = [
            replace(task, upstream=tuple(sorted({*task.upstream, ready}))) if task.task_id in last else task
            for task in tasks
        ]
        why = f"the cluster `{cloud.cluster_name}` of this run"
        tasks = [
            _about(make, like, f"makes {why}", Control.CLUSTER_MAKE, cloud, ()),
            TaskPlan(ready, TaskKind.ENDPOINT, upstream=(make,), because=f"says that {why} is there", cluster=cloud),
            *tasks,
            _about(delete, like, f"deletes {why}", Control.CLUSTER_DELETE, cloud, tuple(sorted({make, *last}))),
        ]
    return replace(dag, tasks=tuple(tasks)) if len(tasks) != len(dag.tasks) else dag


def _clusters(tasks: Sequence[TaskPlan]) -> list[GkeCluster]:
    found: list[GkeCluster] = []
    for task in tasks:
        cloud = None if task.dbt_pod is None else task.dbt_pod.gke
        if cloud is not None and cloud.create is not None and cloud not in found:
            found.append(cloud)
    return found


def _about(
    task_id: str, like: TaskPlan, because: str, control: Control, cloud: GkeCluster, upstream: tuple[str, ...]
) -> TaskPlan:
    return TaskPlan(
        task_id,
        TaskKind.ENDPOINT,
        upstream=upstream,
        because=because,
        queue=like.queue,
        retry=like.retry,
        control=control,
        cluster=cloud,
    )
