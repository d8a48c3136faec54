"""The fields of a DAG and a task that Airflow acts on, as texts to compare and to show."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from dbt_af_k8s.names import short_hash
from dbt_af_k8s.plan.codec.scripts import script_to_dict
from dbt_af_k8s.plan.codec.task import microbatch_to_dict, task_to_dict
from dbt_af_k8s.plan.scripts import ScriptPlan
from dbt_af_k8s.plan.values import DagPlan, TaskPlan, WaitsFor

#: Fields of a task that are its place among others, that only explain, or that are compared piece by piece.
_NOT_COMPARED = frozenset(
    {"task_id", "kind", "upstream", "because", "not_waited", "display_name", "dbt", "pod", "venv", "job", "dbt_pod"}
)


def schedule_text(dag: DagPlan) -> str:
    """The schedule for a person: `@daily (0 0 * * *, UTC)`."""
    return f"{dag.schedule_name} ({dag.schedule}, {dag.timezone})" if dag.schedule else dag.schedule_name


def wait_text(waits: WaitsFor) -> str:
    """A wait for a person: `sales__hourly.orders (last)`."""
    first_runs = "" if waits.first_runs == "skip" else f", first runs: {waits.first_runs}"
    return f"{waits.dag_id}.{waits.task_id} ({waits.policy}{first_runs})"


def dag_fields(dag: DagPlan) -> dict[str, str | None]:
    """The DAG's own fields besides id and schedule, by name."""
    return {
        "kind": dag.kind.value,
        "domain": dag.domain,
        "start_date": dag.start_date.isoformat(),
        "catchup": _text(dag.catchup),
        "max_active_runs": _text(dag.max_active_runs),
        "max_active_tasks": _text(dag.max_active_tasks),
        "tags": _text(list(dag.tags)),
        "owner": dag.owner,
        "problems": _text([f"[{issue.code}] {issue.message}" for issue in dag.problems]),
    }


def task_fields(task: TaskPlan) -> dict[str, str | None]:
    """The task's own fields, by name; those that have their default may be absent."""
    fields = {key: _text(value) for key, value in task_to_dict(task).items() if key not in _NOT_COMPARED}
    if task.waits_for:
        # The calendar of the upstream DAG is told where that DAG is told.
        fields["waits_for"] = wait_text(task.waits_for)
    if task.dbt:
        fields |= {
            "dbt.verb": task.dbt.verb,
            "dbt.microbatch": _text(microbatch_to_dict(task.dbt.microbatch)) if task.dbt.microbatch else None,
            "dbt.executable": task.dbt.executable,
            "dbt.env": _text([f"{name}={value}" for name, value in task.dbt.env]),
        }
    if task.dbt_pod is not None:
        # Every manifest has a hash of its own, whatever has changed in it.
        whole = script_to_dict(replace(task.dbt_pod, manifest_sha256=""))
        fields |= {f"dbt_pod.{key}": _text(value) for key, value in whole.items()}
    for what, script in (("pod", task.pod), ("venv", task.venv), ("job", task.job)):
        if script is not None:
            fields |= {f"{what}.{key}": value for key, value in _script_fields(script).items()}
    return fields


def _script_fields(script: ScriptPlan) -> dict[str, str | None]:
    """The target's keys, and the script by a hash: a difference in it is for a diff of the file."""
    whole = script_to_dict(script)
    payload = whole["payload"]
    own = {"script": short_hash(payload["source"]), **{key: payload.get(key) for key in ("config", "refs", "this")}}
    return {key: _text(value) for key, value in {**whole["target"], **own}.items()}


def changed_fields(
    old: Mapping[str, str | None], new: Mapping[str, str | None]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Name, old and new value of each field that differs, by name."""
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _text(value: object) -> str | None:
    """A field's value in one line."""
    if value is None or value == []:
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
