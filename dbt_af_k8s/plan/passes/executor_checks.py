"""Pod overrides for Airflow's KubernetesExecutor: what is wrong with them shows before a task starts."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.config.wording import choose_from, quoted, shown
from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.k8s.check import check_object
from dbt_af_k8s.k8s.names import POD_OVERRIDE
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import Decisions

_PARTS: Mapping[str, str] = {"metadata": "ObjectMeta", "spec": "PodSpec"}
_WORDS = ("apiVersion", "kind")


def executor_issues(inputs: PlanInputs, decisions: Decisions) -> Iterator[Issue]:
    """Everything that makes an override no part of a pod, in the rows of `tasks` and in the nodes' settings."""
    for position, rule in enumerate(inputs.settings.tasks):
        for found in override_findings(rule.executor_config, (f"tasks[{position}]", "executor_config", POD_OVERRIDE)):
            yield error("bad-pod-override", found.message, found.fix, file=inputs.settings_file, key=found.key)
    for key, decision in decisions.nodes.items():
        for found in override_findings(decision.settings.executor_config, ("executor_config", POD_OVERRIDE)):
            file = decision.node.file
            yield error("bad-pod-override", found.message, found.fix, file=file, node=key, key=found.key)


def override_findings(config: Mapping[str, Any] | None, path: tuple[str, ...]) -> Iterator[Finding]:
    """What makes the override of an `executor_config`, written at `path`, no part of a pod."""
    override = (config or {}).get(POD_OVERRIDE)
    if override is None:
        return
    if not isinstance(override, Mapping):
        message = f"`{'.'.join(path)}` must be a mapping, found {shown(override)}."
        yield Finding(path, "wrong", message, "Write a pod, with `metadata` or `spec`.", True)
        return
    for key, part in override.items():
        if key in _PARTS:
            yield from check_object(part, _PARTS[key], (*path, key))
        elif key not in _WORDS:
            message = f"The key {quoted(str(key))} is not known: no pod of Kubernetes has it."
            yield Finding((*path, str(key)), "unknown", message, choose_from(str(key), (*_PARTS, *_WORDS)))
