"""Which tasks are cheap enough to share a dbt process with others, and what must be the same for them to do so."""

import json
from collections.abc import Hashable, Mapping

from dbt_af_k8s.config.settings_integrations import Callbacks
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import TaskKind, TaskPlan

#: Kinds of task that can be parts of another one.
FUSABLE = (TaskKind.RUN, TaskKind.SEED, TaskKind.SNAPSHOT, TaskKind.TEST)


def is_fusable(inputs: PlanInputs, task: TaskPlan) -> bool:
    """Whether a task may be a part of another one at all: cheap, and without anything that is about it alone.

    Alone stay tasks that skip themselves by something else than the enable window, that state an exception to the
    edges of the dbt graph (in one process dbt would keep them all), and microbatch models, whose event times are
    flags of the whole command.
    """
    if task.kind not in FUSABLE or task.dbt is None or task.control is not None:
        return False
    if task.on_change or task.not_waited or task.dbt.microbatch:
        return False
    if callbacks_of(inputs, task.kind) != callbacks_of(inputs, TaskKind.RUN):
        return False
    return all(_is_cheap(inputs, inputs.manifest.nodes[key]) for key in task.nodes)


def _is_cheap(inputs: PlanInputs, node: Node) -> bool:
    settings = inputs.settings.fused
    word = node.materialized if node.resource_type == "model" else node.resource_type
    return word in settings.cheap or (word in settings.measured and node.unique_id in inputs.run_times)


def seconds_of(inputs: PlanInputs, task: TaskPlan) -> float:
    """The recorded run times of a task's nodes together; a node without a record counts nothing."""
    return sum(inputs.run_times.get(key, 0.0) for key in task.nodes)


def sharing_key(task: TaskPlan) -> Hashable:
    """What must be the same for tasks to share a process and a place in Airflow."""
    dbt = task.dbt
    return (
        task.target,
        task.runner,
        task.runner_options,
        # Pods hold mappings, as Kubernetes writes them, which have no hash.
        repr(task.dbt_pod),
        task.pool,
        task.queue,
        task.executor,
        json.dumps(task.executor_config, sort_keys=True, default=str),
        task.priority_weight,
        task.retry,
        task.timeout,
        task.owner,
        task.max_active,
        task.enable_from,
        task.disable_from,
        dbt.executable if dbt else None,
        dbt.env if dbt else (),
    )


def callbacks_of(inputs: PlanInputs, kind: TaskKind) -> Callbacks:
    """What Airflow calls for tasks of a kind."""
    by_kind: Mapping[str, Callbacks] = inputs.settings.callbacks.tasks
    return by_kind.get(kind.value, Callbacks())
