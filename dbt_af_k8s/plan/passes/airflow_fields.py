"""How Airflow and dbt run one node's task: target, runner, pool, queue, retries, priority, window, environment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from dbt_af_k8s.config.settings import PoolSettings, RetrySettings, TaskRule
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import NodeDecision
from dbt_af_k8s.plan.values import TaskKind

_KIND_OF_RESOURCE: Mapping[str, TaskKind] = {
    "model": TaskKind.RUN,
    "seed": TaskKind.SEED,
    "snapshot": TaskKind.SNAPSHOT,
    "test": TaskKind.TEST,
}


@dataclass(frozen=True, slots=True)
class TaskFields:
    """What a node's settings, the settings' rows and the target say of the task that runs the node.

    Two tests whose fields are equal can share a dbt process.
    """

    kind: TaskKind
    target: str | None
    runner: str
    target_because: str
    dbt: str | None
    env: tuple[tuple[str, str], ...]
    pool: str | None
    queue: str | None
    executor: str | None
    executor_config: Mapping[str, Any] | None
    priority_weight: int | None
    retry: RetrySettings
    owner: str | None
    max_active: int | None
    enable_from: datetime | None
    disable_from: datetime | None


def fields_of(inputs: PlanInputs, decision: NodeDecision) -> TaskFields:
    """Put together a task's fields: the node's own word first, then the settings' rows in order."""
    own, node, settings = decision.settings, decision.node, inputs.settings
    kind = _KIND_OF_RESOURCE[node.resource_type]
    target = decision.target.target
    rules = [rule for rule in settings.tasks if _applies(rule, target, kind, node.name)]
    retry = settings.retries.get(kind.value, RetrySettings())
    if own.retries is not None:
        retry = RetrySettings(own.retries, retry.delay, retry.exponential_backoff, retry.max_delay)
    parallel = own.airflow_parallelism or 1
    dbt = decision.runner.rule.options.get("dbt")
    return TaskFields(
        kind=kind,
        target=target,
        runner=decision.runner.rule.runner,
        target_because=decision.target.because,
        dbt=str(dbt) if dbt else None,
        env=tuple((name, env_text(own.env[name])) for name in sorted(own.env)),
        pool=own.pool or pool_for(settings.pools, target, kind, decision.domain.domain),
        queue=own.queue or next((rule.queue for rule in rules if rule.queue), None),
        executor=own.executor or next((rule.executor for rule in rules if rule.executor), None),
        executor_config=own.executor_config or next((r.executor_config for r in rules if r.executor_config), None),
        priority_weight=_first_number(own.priority_weight, rules),
        retry=retry,
        owner=own.owner or _group_owner(inputs, decision),
        max_active=parallel if parallel < settings.dags.max_active_runs else None,
        enable_from=own.enable_from,
        disable_from=own.disable_from,
    )


def pool_for(pools: Sequence[PoolSettings], target: str | None, kind: TaskKind, domain: str) -> str | None:
    """Name of the first pool of the settings that the task belongs to, or None: Airflow's default pool."""
    for pool in pools:
        if _any(pool.targets, target or "") and _any(pool.kinds, kind.value) and _any(pool.domains, domain):
            return pool.name
    return None


def env_text(value: Any) -> str:
    """An `env` value as a process sees it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _applies(rule: TaskRule, target: str | None, kind: TaskKind, name: str) -> bool:
    return _any(rule.targets, target or "") and _any(rule.kinds, kind.value) and _any(rule.nodes, name)


def _any(patterns: Sequence[str], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


def _first_number(own: int | None, rules: Sequence[TaskRule]) -> int | None:
    return own if own is not None else next((r.priority_weight for r in rules if r.priority_weight is not None), None)


def _group_owner(inputs: PlanInputs, decision: NodeDecision) -> str | None:
    return inputs.manifest.group_owners.get(decision.node.group or "")
