"""Node settings that reach further than the node's work: the worker's pod, its process, and a runner's pod."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.node_env import refused_on_worker
from dbt_af_k8s.config.problems import Finding, dotted
from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.k8s.names import POD_OVERRIDE
from dbt_af_k8s.k8s.node_reach import node_label_findings
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision
from dbt_af_k8s.plan.passes.executor_checks import override_findings
from dbt_af_k8s.plan.scripts import PodPlan, VenvPlan
from dbt_af_k8s.pods.node_reach import node_pod_findings

#: What a node may say of the worker's pod: resources, and which machine it runs on.
_OF_WORKER: Mapping[str, tuple[str, ...]] = {
    "": ("metadata", "spec", "apiVersion", "kind"),
    "metadata": ("labels", "annotations"),
    "spec": ("containers", "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"),
    "containers": ("name", "resources"),
}
_TO_THE_ROWS = "Write it in a row of `tasks` of the settings, by `nodes` for this one."


def reach_issues(inputs: PlanInputs, decisions: Decisions) -> Iterator[Issue]:
    """One error for each setting of a node that says where its work runs, from which paths, or as whom."""
    for key, decision in decisions.nodes.items():
        settings = decision.settings
        found = [*_of_worker(settings.executor_config), *_of_env(inputs, decision)]
        for finding in (*found, *_of_runner(settings.runner.given if settings.runner else {})):
            yield _told(finding, key, decision.node.file)
    for key, source in decisions.sources.items():
        own = source.settings
        for finding in (*_of_worker(own.executor_config), *_of_runner(own.runner.given if own.runner else {})):
            yield _told(finding, key, source.source.file)


def _told(finding: Finding, node: str, file: str) -> Issue:
    return error("bad-node-setting", finding.message, finding.fix, file=file, node=node, key=finding.key)


def _of_worker(config: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Of `executor_config` only the resources and the place of the worker's pod are a node's."""
    no_pod = {found.path for found in override_findings(config, ("executor_config", POD_OVERRIDE))}
    yield from (found for found in _beyond_worker(config) if found.path not in no_pod)


def _beyond_worker(config: Mapping[str, Any] | None) -> Iterator[Finding]:
    for key, override in (config or {}).items():
        path = ("executor_config", str(key))
        if key != POD_OVERRIDE:
            yield _far(path)
        elif isinstance(override, Mapping):
            yield from _strangers(override, "", path)
            metadata, spec = override.get("metadata"), override.get("spec")
            if isinstance(metadata, Mapping):
                yield from _strangers(metadata, "metadata", (*path, "metadata"))
                for part in ("labels", "annotations"):
                    yield from node_label_findings(metadata.get(part), (*path, "metadata", part))
            if isinstance(spec, Mapping):
                yield from _strangers(spec, "spec", (*path, "spec"))
                containers = spec.get("containers")
                for number, each in enumerate(containers if isinstance(containers, list | tuple) else ()):
                    if isinstance(each, Mapping):
                        yield from _strangers(each, "containers", (*path, "spec", "containers", number))


def _strangers(part: Mapping[str, Any], name: str, path: tuple[str | int, ...]) -> Iterator[Finding]:
    for key in part:
        if key not in _OF_WORKER[name]:
            yield _far((*path, str(key)))


def _far(path: tuple[str | int, ...]) -> Finding:
    return Finding(path, "wrong", f"A node cannot set `{dotted(path)}` of the worker that runs it.", _TO_THE_ROWS)


def _of_env(inputs: PlanInputs, decision: NodeDecision) -> Iterator[Finding]:
    is_in_pod = isinstance(decision.script, PodPlan) and not inputs.settings.kubernetes.local
    if is_in_pod or (decision.script is not None and not isinstance(decision.script, PodPlan | VenvPlan)):
        return
    for name in refused_on_worker(decision.settings.env):
        message = f"`env` of a node cannot set `{name}`: it decides what a process loads, or as whom it connects."
        yield Finding(
            ("env", name), "wrong", message, "Set it where the workers run, or in the target in profiles.yml."
        )


def _of_runner(given: Mapping[str, Any]) -> Iterator[Finding]:
    for finding in node_pod_findings(given.get("pod", {})):
        fix = "Write it in the `pod` of a row of `runners` of the settings."
        yield Finding(("runner", "pod", *finding.path), finding.kind, finding.message, fix)
