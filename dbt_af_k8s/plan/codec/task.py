"""One task of the plan as plain JSON values and back: the part of `plan.codec` that knows a task's fields."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.microbatch import LOOKBACK, Microbatch
from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection
from dbt_af_k8s.plan.codec.fields import Fields, PlanFormatError, write_moment
from dbt_af_k8s.plan.codec.scripts import read_script, script_to_dict
from dbt_af_k8s.plan.scripts import ClaimPlan, JobPlan, PodPlan, VenvPlan
from dbt_af_k8s.plan.values import Control, NotWaited, RefreshPlan, TaskKind, TaskPlan, TaskRef, WaitsFor
from dbt_af_k8s.pods.clouds import GkeCluster
from dbt_af_k8s.pods.dbt_values import DbtPod

_RETRY = RetrySettings()
#: Fields whose values are written and read as the hints of their type say.
_BY_THEIR_HINTS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "pod": PodPlan,
        "venv": VenvPlan,
        "job": JobPlan,
        "claim": ClaimPlan,
        "runner_options": DbtApiOptions,
        "dbt_pod": DbtPod,
        "cluster": GkeCluster,
    }
)


def given(pairs: Mapping[str, tuple[Any, Any]], write: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    """The keys whose (value, default) differ, with the value written: what has its default need not stand."""
    return {key: write(value) for key, (value, default) in pairs.items() if value != default}


def task_to_dict(task: TaskPlan) -> dict[str, Any]:
    """The task with the keys of the contract, and those further ones that have not their default.

    Raises `PlanFormatError` or TypeError where its `executor_config` is no plain JSON.
    """
    waits = {"waits_for": _waits_for(task.waits_for)} if task.waits_for else {}
    return {
        "task_id": task.task_id,
        "kind": task.kind.value,
        "nodes": list(task.nodes),
        **waits,
        "group": task.group,
        "upstream": list(task.upstream),
        "target": task.target,
        "runner": task.runner,
        "because": task.because,
        "pool": task.pool,
        **given(
            {
                "display_name": (task.display_name, None),
                "queue": (task.queue, None),
                "executor": (task.executor, None),
                "priority_weight": (task.priority_weight, None),
                "timeout": (task.timeout, None),
                "owner": (task.owner, None),
                "max_active": (task.max_active, None),
                "poke": (task.poke, None),
                "longest_poke": (task.longest_poke, None),
                "deferrable": (task.deferrable, True),
                "gate": (task.gate, False),
                "on_change": (task.on_change, False),
            }
        ),
        **given({"control": (task.control, None)}, lambda control: control.value),
        **given({"not_while": (task.not_while, ())}, lambda refs: [_task_ref(ref) for ref in refs]),
        **given({"refresh": (task.refresh, None)}, _refresh),
        **given({"executor_config": (task.executor_config, None)}, plain),
        **given({"retry": (task.retry, _RETRY)}, _retry),
        **given({"dbt": (task.dbt, None)}, _invocation),
        **given({name: (getattr(task, name), None) for name in _BY_THEIR_HINTS}, script_to_dict),
        **given({"enable_from": (task.enable_from, None), "disable_from": (task.disable_from, None)}, write_moment),
        **given({"not_waited": (task.not_waited, ())}, lambda edges: [_not_waited(edge) for edge in edges]),
    }


def read_task(fields: Fields) -> TaskPlan:
    """The task that `task_to_dict` wrote. Raises `PlanFormatError`."""
    waits_for, dbt, retry, refresh = (fields.optional_inner(key) for key in ("waits_for", "dbt", "retry", "refresh"))
    by_hints = {
        name: read_script(kind, inner)
        for name, kind in _BY_THEIR_HINTS.items()
        if (inner := fields.optional_inner(name)) is not None
    }
    return TaskPlan(
        task_id=fields.text("task_id"),
        kind=fields.choice("kind", TaskKind),
        nodes=fields.texts("nodes"),
        upstream=fields.texts("upstream"),
        group=fields.optional_text("group"),
        display_name=fields.optional_text("display_name"),
        target=fields.optional_text("target"),
        runner=fields.optional_text("runner"),
        because=fields.text_or("because", ""),
        pool=fields.optional_text("pool"),
        queue=fields.optional_text("queue"),
        executor=fields.optional_text("executor"),
        executor_config=fields.optional_mapping("executor_config"),
        priority_weight=fields.optional_integer("priority_weight"),
        retry=_read_retry(retry) if retry else _RETRY,
        timeout=fields.optional_integer("timeout"),
        owner=fields.optional_text("owner"),
        max_active=fields.optional_integer("max_active"),
        dbt=_read_invocation(dbt) if dbt else None,
        waits_for=_read_waits_for(waits_for) if waits_for else None,
        poke=fields.optional_integer("poke"),
        longest_poke=fields.optional_integer("longest_poke"),
        deferrable=fields.boolean("deferrable", True),
        enable_from=fields.optional_moment("enable_from"),
        disable_from=fields.optional_moment("disable_from"),
        not_waited=tuple(_read_not_waited(edge) for edge in fields.items("not_waited")),
        gate=fields.boolean("gate", False),
        not_while=tuple(TaskRef(ref.text("dag_id"), ref.text("task_id")) for ref in fields.items("not_while")),
        on_change=fields.boolean("on_change", False),
        refresh=_read_refresh(refresh) if refresh else None,
        control=fields.choice("control", Control) if "control" in fields.data else None,
        **by_hints,
    )


def _task_ref(ref: TaskRef) -> dict[str, Any]:
    return {"dag_id": ref.dag_id, "task_id": ref.task_id}


def _refresh(refresh: RefreshPlan) -> dict[str, Any]:
    return {
        "provider": refresh.provider,
        "of": refresh.of,
        "resources": [plain(resource) for resource in refresh.resources],
        **given({"options": (refresh.options, {})}, plain),
    }


def _read_refresh(fields: Fields) -> RefreshPlan:
    return RefreshPlan(
        provider=fields.text("provider"),
        of=fields.text("of"),
        resources=tuple(resource.data for resource in fields.items("resources", required=True)),
        options=fields.mapping("options") if "options" in fields.data else {},
    )


def _waits_for(waits: WaitsFor) -> dict[str, Any]:
    return {
        "dag_id": waits.dag_id,
        "task_id": waits.task_id,
        "node": waits.node,
        "policy": waits.policy,
        "cron": waits.cron,
        "timezone": waits.timezone,
        "start_date": write_moment(waits.start_date),
        "catchup": waits.catchup,
        **given({"work": (waits.work, ())}, list),
        **given({"first_runs": (waits.first_runs, "skip")}),
    }


def _read_waits_for(fields: Fields) -> WaitsFor:
    return WaitsFor(
        dag_id=fields.text("dag_id"),
        task_id=fields.text("task_id"),
        node=fields.text("node"),
        policy=fields.text("policy"),
        cron=fields.text("cron"),
        timezone=fields.text("timezone"),
        start_date=fields.moment("start_date"),
        catchup=fields.boolean("catchup", False),
        work=fields.texts("work"),
        first_runs=fields.text_or("first_runs", "skip"),
    )


def _not_waited(edge: NotWaited) -> dict[str, Any]:
    return {"node": edge.node, "downstream": edge.downstream, "code": edge.code, "because": edge.because}


def _read_not_waited(fields: Fields) -> NotWaited:
    return NotWaited(*(fields.text(key) for key in ("node", "downstream", "code", "because")))


def plain(value: Mapping[str, Any]) -> Any:
    """A free object sorted by key at every depth.

    Raises `PlanFormatError` where JSON would change it (a tuple, a key that is no text), TypeError where JSON has no
    word for it.
    """
    plain = json.loads(json.dumps(dict(value), sort_keys=True, allow_nan=False))
    if plain != value:
        raise PlanFormatError(f"JSON cannot hold {value!r} unchanged; use texts as keys, and lists instead of tuples.")
    return plain


def _retry(retry: RetrySettings) -> dict[str, Any]:
    return {
        "retries": retry.retries,
        "delay": retry.delay,
        "exponential_backoff": retry.exponential_backoff,
        "max_delay": retry.max_delay,
    }


def _read_retry(fields: Fields) -> RetrySettings:
    return RetrySettings(
        retries=fields.integer("retries", _RETRY.retries),
        delay=fields.integer("delay", _RETRY.delay),
        exponential_backoff=fields.boolean("exponential_backoff", _RETRY.exponential_backoff),
        max_delay=fields.integer("max_delay", _RETRY.max_delay),
    )


def _invocation(dbt: DbtInvocation) -> dict[str, Any]:
    return {
        "verb": dbt.verb,
        "nodes": [
            {
                "unique_id": node.unique_id,
                "resource_type": node.resource_type,
                "package": node.package,
                "fqn": list(node.fqn),
                **given({"parents": (node.parents, ())}, list),
            }
            for node in dbt.nodes
        ],
        **given(
            {
                "target": (dbt.target, None),
                "executable": (dbt.executable, None),
            }
        ),
        **given({"microbatch": (dbt.microbatch, None)}, microbatch_to_dict),
        **given({"operation": (dbt.operation, None)}),
        **given(
            {"options": (dbt.options, ())},
            lambda options: [{"name": name, "value": _json_value(value)} for name, value in options],
        ),
        **given({"env": (dbt.env, ())}, lambda env: [{"name": name, "value": value} for name, value in env]),
    }


def microbatch_to_dict(batches: Microbatch) -> dict[str, Any]:
    """The batches of a model as plain JSON values."""
    begin = None if batches.begin is None else write_moment(batches.begin)
    return {"batch_size": batches.batch_size, "lookback": batches.lookback, "begin": begin}


def _read_microbatch(fields: Fields) -> Microbatch:
    return Microbatch(
        batch_size=fields.optional_text("batch_size"),
        lookback=fields.integer("lookback", LOOKBACK),
        begin=fields.optional_moment("begin"),
    )


def _read_invocation(fields: Fields) -> DbtInvocation:
    microbatch = fields.optional_inner("microbatch")
    return DbtInvocation(
        verb=fields.text("verb"),
        nodes=tuple(
            DbtSelection(
                unique_id=node.text("unique_id"),
                resource_type=node.text("resource_type"),
                package=node.text("package"),
                fqn=node.texts("fqn"),
                parents=node.texts("parents"),
            )
            for node in fields.items("nodes", required=True)
        ),
        target=fields.optional_text("target"),
        microbatch=_read_microbatch(microbatch) if microbatch else None,
        executable=fields.optional_text("executable"),
        env=tuple((pair.text("name"), pair.text("value")) for pair in fields.items("env")),
        operation=fields.optional_text("operation"),
        options=tuple((pair.text("name"), _read_option(pair)) for pair in fields.items("options")),
    )


def _json_value(value: str | int | tuple[str, ...]) -> str | int | list[str]:
    return list(value) if isinstance(value, tuple) else value


def _read_option(pair: Fields) -> str | int | tuple[str, ...]:
    value = pair.value("value")
    if isinstance(value, list):
        return pair.texts("value")
    return pair.integer("value", 0) if isinstance(value, int) else pair.text("value")
