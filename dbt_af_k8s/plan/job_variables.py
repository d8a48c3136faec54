"""What the job template of a dbt node is told about the node, in Airflow and by `dbt-af-k8s render`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from dbt_af_k8s.pods.values import Payload, PodRun

#: Airflow's own filters for moments, for a template that is rendered without Airflow.
MOMENT_FILTERS: Mapping[str, Callable[[datetime], str]] = MappingProxyType(
    {
        "ds": lambda moment: moment.strftime("%Y-%m-%d"),
        "ds_nodash": lambda moment: moment.strftime("%Y%m%d"),
        "ts": lambda moment: moment.isoformat(),
        "ts_nodash": lambda moment: moment.strftime("%Y%m%dT%H%M%S"),
        "ts_nodash_with_tz": lambda moment: moment.isoformat().replace("-", "").replace(":", ""),
    }
)


def node_variables(payload: Payload, start: datetime, end: datetime) -> dict[str, Any]:
    """The names that the template of a node's job may use besides Airflow's.

    `node` has `unique_id`, `name` and `file`; `interval` has `start` and `end`, and `start_dttm` and `end_dttm` are the
    same as text; `config` is the node's dbt config, `refs` maps the name of each ref and source to its relation, `this`
    is the node's own, and `script` the text of its file.
    """
    return {
        "node": {"unique_id": payload.node, "name": payload.name, "file": payload.file},
        "interval": {"start": start, "end": end},
        "start_dttm": start.isoformat(),
        "end_dttm": end.isoformat(),
        "config": dict(payload.config),
        "refs": dict(payload.refs),
        "this": payload.this,
        "script": payload.source,
    }


def airflow_variables(dag_id: str, task_id: str, run: PodRun, run_id: str) -> dict[str, Any]:
    """Those of Airflow's variables that follow from the interval, for a template that is rendered without Airflow."""
    start = run.start
    names = ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")
    return {
        **{name: MOMENT_FILTERS[name](start) for name in names},
        "data_interval_start": run.start,
        "data_interval_end": run.end,
        "logical_date": run.start,
        "run_id": run_id,
        "params": dict(run.conf),
        "dag": {"dag_id": dag_id},
        "task": {"task_id": task_id},
        "dag_run": {"run_id": run_id, "conf": dict(run.conf)},
    }
