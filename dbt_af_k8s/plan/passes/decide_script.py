"""Nodes whose target is no warehouse: what runs their script, by the target's type. One row per type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from dbt_af_k8s.config.settings import NodeSettings
from dbt_af_k8s.config.settings_runners import RunnerRule
from dbt_af_k8s.errors import Issue, Severity, error
from dbt_af_k8s.jobs.target import job_target_for_node, read_job_target, without_template
from dbt_af_k8s.jobs.values import JobTarget
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.local_pods import IN_POD, IN_PROCESS
from dbt_af_k8s.plan.scripts import JobPlan, PodPlan, ScriptPlan, VenvPlan
from dbt_af_k8s.pods.payload import payload_issues, payload_of
from dbt_af_k8s.pods.target import read_target, target_for_node
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, VenvTarget
from dbt_af_k8s.pods.venv import read_venv_target, venv_for_node
from dbt_af_k8s.route.runners import RunnerChoice

Target = TypeVar("Target")
Issues = tuple[Issue, ...]

#: Runners of scripts in a venv, and of jobs from a template.
IN_VENV, IN_JOB = "venv", "kubernetes_job"
_NO_TARGET_SETTINGS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ScriptDecision:
    """What runs the script of a node, and where."""

    script: ScriptPlan | None
    runner: RunnerChoice
    issues: Issues = ()
    #: Why the node gets no task, or None.
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    inputs: PlanInputs
    node: Node
    settings: NodeSettings
    #: Name of the target.
    target: str

    @property
    def env(self) -> Mapping[str, Any]:
        """The node's variables: of those with a value for each target, this target's."""
        targets = self.inputs.profile.target_types
        chosen = {}
        for name, value in self.settings.env.items():
            if isinstance(value, Mapping) and value and all(key in targets for key in value):
                value = value.get(self.target)
            chosen[name] = value
        return chosen

    def payload(self) -> Payload:
        """The script, and what it is told."""
        return payload_of(self.node, self.inputs.manifest, self.node.script)


class _Shelf(Generic[Target]):
    """The targets of one type, each read once. Its problems are told with the first node that needs it."""

    def __init__(self, inputs: PlanInputs, read: Callable[..., tuple[Target | None, Issues]]) -> None:
        self._inputs = inputs
        self._read = read
        self._found: dict[str, Target | None] = {}

    def get(self, name: str, node: Node, defaults: Mapping[str, Any]) -> tuple[Target | None, Issues]:
        """The target, or None where it has errors, and what is to be told of it for this node."""
        profile = self._inputs.profile
        if name not in self._found:
            output = {**defaults, **profile.python_targets.get(name, {})}
            target, issues = self._read(output, name=name, file=profile.file)
            self._found[name] = target
            # With the node in it an error breaks the node's domain, and not the whole project.
            return target, tuple(replace(issue, node=node.unique_id) if issue.is_error else issue for issue in issues)
        if self._found[name] is not None:
            return self._found[name], ()
        message = f"The target `{name}` has errors, so the node cannot run on it."
        fix = f"Correct `outputs.{name}` in {profile.file}; its errors are told with another node."
        return None, (error("broken-target", message, fix, file=node.file, node=node.unique_id),)

    def look_at(self, name: str, defaults: Mapping[str, Any]) -> Issues:
        """What is wrong with a target, where no node has needed it so far. Nothing breaks by it: only warnings."""
        profile = self._inputs.profile
        if name in self._found or name not in profile.python_targets:
            return ()
        _, issues = self._read({**defaults, **profile.python_targets[name]}, name=name, file=profile.file)
        said = "No node runs on this target."
        return tuple(replace(each, severity=Severity.WARNING, message=f"{each.message} {said}") for each in issues)


class Scripts:
    """Decides about the nodes whose targets are no warehouse."""

    def __init__(self, inputs: PlanInputs) -> None:
        self._inputs = inputs
        self._kubernetes: _Shelf[KubernetesTarget] = _Shelf(inputs, read_target)
        self._venvs: _Shelf[VenvTarget] = _Shelf(inputs, read_venv_target)
        self._jobs: _Shelf[JobTarget] = _Shelf(inputs, read_job_target)
        self._by_type: Mapping[str, Callable[[_Question], ScriptDecision]] = {
            "kubernetes": self._pod,
            "venv": self._venv,
            "kubernetes_job": self._job,
        }

    def decide(self, node: Node, settings: NodeSettings, target: str) -> ScriptDecision | None:
        """What runs the node's script; None where the target's type is one of dbt's."""
        kind = self._inputs.profile.target_types[target]
        row = self._by_type.get(kind)
        if row is None:
            reason = f"targets of type `{kind}` are not supported yet"
            return ScriptDecision(None, _chosen(target, kind, kind), left_out=reason)
        return row(_Question(self._inputs, node, settings, target))

    def unused(self) -> Issues:
        """What is wrong with targets that no node has needed so far."""
        shelves: Mapping[str, _Shelf[Any]] = {
            "kubernetes": self._kubernetes,
            "venv": self._venvs,
            "kubernetes_job": self._jobs,
        }
        issues: Issues = ()
        for name, kind in self._inputs.profile.target_types.items():
            if kind in shelves:
                defaults = _NO_TARGET_SETTINGS if kind == "venv" else self._cluster_defaults()
                issues += shelves[kind].look_at(name, defaults)
        return issues

    def _pod(self, question: _Question) -> ScriptDecision:
        node, settings, shared = question.node, question.settings, self._inputs.settings.kubernetes
        runner = IN_PROCESS if shared.local else IN_POD
        choice = _chosen(question.target, runner, "kubernetes")
        if shared.local:
            choice = RunnerChoice(choice.rule, "`kubernetes.local` of the settings: no pod is made")
        target, issues = self._kubernetes.get(question.target, node, self._cluster_defaults())
        changes: tuple[tuple[Mapping[str, Any], str], ...] = (
            (settings.kubernetes, f"{settings.kubernetes_place}.kubernetes"),
            ({"env": question.env} if question.env else {}, settings.env_place),
        )
        for change, place in changes:
            if target is not None and change:
                target, found = target_for_node(target, change, node=node.unique_id, file=node.file, place=place)
                issues += found
        if target is None:
            return ScriptDecision(None, choice, issues)
        payload = question.payload()
        issues += payload_issues(payload, target.script_from)
        bound = shared.airflow_identity_binding_selector
        return ScriptDecision(PodPlan(replace(target, written={}), payload, bound), choice, issues)

    def _cluster_defaults(self) -> Mapping[str, Any]:
        """Keys of targets that the settings give to all of them."""
        shared = self._inputs.settings.kubernetes
        defaults = {"namespace": shared.namespace, "kubernetes_conn_id": shared.kubernetes_conn_id}
        return {key: value for key, value in defaults.items() if value is not None}

    def _job(self, question: _Question) -> ScriptDecision:
        node, settings = question.node, question.settings
        choice = _chosen(question.target, IN_JOB, "kubernetes_job")
        target, issues = self._jobs.get(question.target, node, self._cluster_defaults())
        if target is not None and settings.kubernetes:
            place = f"{settings.kubernetes_place}.kubernetes"
            target, found = job_target_for_node(
                target, settings.kubernetes, node=node.unique_id, file=node.file, place=place
            )
            issues += found
        if target is not None:
            issues += without_template(target, node=node.unique_id, file=node.file)
        if target is None or target.template is None:
            return ScriptDecision(None, choice, issues)
        return ScriptDecision(JobPlan(replace(target, written={}), question.payload()), choice, issues)

    def _venv(self, question: _Question) -> ScriptDecision:
        node, settings = question.node, question.settings
        choice = _chosen(question.target, IN_VENV, "venv")
        target, issues = self._venvs.get(question.target, node, _NO_TARGET_SETTINGS)
        if target is not None and question.env:
            target, found = venv_for_node(
                target, question.env, node=node.unique_id, file=node.file, place=settings.env_place
            )
            issues += found
        if target is None:
            return ScriptDecision(None, choice, issues)
        return ScriptDecision(VenvPlan(target, question.payload()), choice, issues)


def _chosen(target: str, runner: str, kind: str) -> RunnerChoice:
    return RunnerChoice(RunnerRule(target, runner), f"the target is of type `{kind}`")
