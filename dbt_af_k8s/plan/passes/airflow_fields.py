"""How Airflow and dbt run one node's task: target, runner, pool, queue, retries, priority, window, environment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from dbt_af_k8s.config.settings import NodeSettings, PoolSettings, RetrySettings, TaskRule
from dbt_af_k8s.config.settings_runners import DbtApiOptions, RunnerRule
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import NodeDecision
from dbt_af_k8s.plan.passes.decide_source import SourceDecision
from dbt_af_k8s.plan.scripts import ScriptPlan
from dbt_af_k8s.plan.values import TaskKind
from dbt_af_k8s.route.runners import choose_runner
from dbt_af_k8s.route.targets import TargetChoice, choose_source_target

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
    #: What runs in place of dbt, or None.
    script: ScriptPlan | None = None
    #: Options of the runner; None where it has none, or runs beside the worker.
    runner_options: DbtApiOptions | None = None


@dataclass(frozen=True, slots=True)
class _Owner:
    """What the fields are of: a node or a source."""

    kind: TaskKind
    name: str
    domain: str
    settings: NodeSettings
    target: TargetChoice
    runner: RunnerRule
    script: ScriptPlan | None = None


def fields_of(inputs: PlanInputs, decision: NodeDecision, kind: TaskKind | None = None) -> TaskFields:
    """Put together the fields of a node's task: the node's own word first, then the settings' rows in order.

    `kind` is what the task does where that is not to build or test the node.
    """
    own = decision.settings
    fields = _fields(
        inputs,
        _Owner(
            kind or _KIND_OF_RESOURCE[decision.node.resource_type],
            decision.node.name,
            decision.domain.domain,
            own,
            decision.target,
            decision.runner.rule,
            decision.script,
        ),
    )
    parallel = own.airflow_parallelism or 1
    return replace(
        fields,
        owner=owner_of(inputs, decision) or decision.owner_beside,
        max_active=parallel if parallel < inputs.settings.dags.max_active_runs else None,
    )


def owner_of(inputs: PlanInputs, decision: NodeDecision) -> str | None:
    """The owner of a node's task: its own, else that of its dbt group."""
    return decision.settings.owner or inputs.manifest.group_owners.get(decision.node.group or "")


def fields_of_source(inputs: PlanInputs, decision: SourceDecision) -> TaskFields:
    """The fields of a task that runs `dbt source freshness`."""
    own = decision.settings
    default = inputs.target or inputs.settings.targets.default
    target = choose_source_target(own.dbt_target, default, inputs.profile.default_target)
    runner = choose_runner(target.target, inputs.settings.runners, own.runner).rule
    domain = decision.domain.domain
    return _fields(inputs, _Owner(TaskKind.FRESHNESS, decision.source.name, domain, own, target, runner))


def fields_of_refresh(inputs: PlanInputs, name: str, domain: str, owner: str | None) -> TaskFields:
    """The fields of a task that runs no dbt: `name` is that of the node or exposure."""
    own = NodeSettings(owner=owner)
    no_target, no_runner = TargetChoice(None, ""), RunnerRule("*", "")
    return _fields(inputs, _Owner(TaskKind.REFRESH, name, domain, own, no_target, no_runner))


def _fields(inputs: PlanInputs, of: _Owner) -> TaskFields:
    own, settings, target = of.settings, inputs.settings, of.target.target
    rules = [rule for rule in settings.tasks if _applies(rule, target, of.kind, of.name)]
    retry = retry_of(inputs, of.kind) if of.script is None else retry_of_scripts(inputs)
    return TaskFields(
        kind=of.kind,
        target=target,
        runner=of.runner.runner,
        target_because=of.target.because,
        dbt=of.runner.dbt,
        env=tuple((name, env_text(own.env[name])) for name in sorted(own.env)),
        pool=own.pool or pool_for(settings.pools, target, of.kind, of.domain),
        queue=own.queue or next((rule.queue for rule in rules if rule.queue), None),
        executor=own.executor or next((rule.executor for rule in rules if rule.executor), None),
        executor_config=own.executor_config or next((r.executor_config for r in rules if r.executor_config), None),
        priority_weight=_first_number(own.priority_weight, rules),
        retry=retry if own.retries is None else replace(retry, retries=own.retries),
        owner=own.owner,
        max_active=None,
        enable_from=own.enable_from,
        disable_from=own.disable_from,
        script=of.script,
        runner_options=options_beside(of.runner),
    )


def options_beside(rule: RunnerRule) -> DbtApiOptions | None:
    """The options that a task takes along: those of `local` are in its dbt command, those of pods become a pod."""
    return rule.options if isinstance(rule.options, DbtApiOptions) else None


def retry_of(inputs: PlanInputs, kind: TaskKind) -> RetrySettings:
    """The retries of a task kind, as the settings say."""
    return inputs.settings.retries.get(kind.value, RetrySettings())


def retry_of_scripts(inputs: PlanInputs) -> RetrySettings:
    """The retries of tasks that run a script."""
    return inputs.settings.retries.get("kubernetes", RetrySettings())


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
