"""Operators of scripts in pods, without Airflow's processes: what it hands to each try, and what is left behind."""

import asyncio
import gc
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from kubernetes import client

from dbt_af_k8s.airflow.pods.operator import DbtPodOperator
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.pods.target import read_target
from dbt_af_k8s.pods.values import Payload

if TYPE_CHECKING:
    from cluster_server.place import Place

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
SLEEP = "import time; print('began', flush=True); time.sleep(60)"
#: A shell script of a container that ends only when it is told to.
GOES_ON = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
Make = Callable[..., DbtPodOperator]


class Store(dict[str, Any]):
    """Airflow's task state store, as far as it is asked."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


class Tries:
    """The tries of one task: what Airflow keeps between them, and what it hands to each."""

    def __init__(self, name: str, *, has_store: bool = True) -> None:
        self.name = name
        self.store = Store() if has_store else None
        self.pushed: dict[str, Any] = {}

    def context(self, number: int = 1, **conf: Any) -> dict[str, Any]:
        run = SimpleNamespace(run_type="scheduled", data_interval_start=START, data_interval_end=END, conf=conf)
        ti = SimpleNamespace(
            dag_id="shop", task_id=self.name, run_id="r1", map_index=-1, try_number=number, start_date=datetime.now(UTC)
        )
        ti.max_tries = 2
        ti.xcom_push = lambda key, value: self.pushed.update({key: value})
        store = {} if self.store is None else {"task_state_store": self.store}
        return {"dag_run": run, "ti": ti, "params": {}, "run_id": "r1", "dag": SimpleNamespace(), **store}


@contextmanager
def script_operators(kubernetes: "Place", name: str) -> Iterator[Make]:
    """An operator for a script; `target` are keys of its target."""
    operators: list[DbtPodOperator] = []

    def made(source: str, *, kubeconfig: str | None = None, **target: Any) -> DbtPodOperator:
        written = {
            "image_name": kubernetes.python_image,
            "python": "python3",
            "namespace": kubernetes.namespace,
            "config_file": kubeconfig or str(kubernetes.kubeconfig),
            "startup_timeout": 60,
            "xcom": False,
            **target,
        }
        read, issues = read_target({"type": "kubernetes", **written}, name="k8s", file="profiles.yml")
        assert read is not None, issues
        refs = (("orders", "db.orders"),)
        payload = Payload(f"model.shop.{name}", name, f"models/{name}.py", source, {}, refs)
        operator = DbtPodOperator(
            task_id=name,
            pod=PodPlan(replace(read, written={}), payload),
            startup_check_interval_seconds=0.2,
            poll_interval=0.2,
            in_cluster=False,
            retries=2,
        )
        operators.append(operator)
        return operator

    yield made
    for operator in operators:
        if "client" in vars(operator):
            operator.client.api_client.rest_client.pool_manager.clear()
    with warnings.catch_warnings():
        # Airflow's hooks leave connections to the end of the process of a task.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def pods_of(core: client.CoreV1Api, place: "Place", name: str) -> list[Any]:
    pods = core.list_namespaced_pod(place.namespace).items
    return [pod for pod in pods if pod.metadata.name.startswith(name) and pod.metadata.deletion_timestamp is None]


def log_of(core: client.CoreV1Api, place: "Place", name: str) -> str:
    for pod in pods_of(core, place, name):
        if pod.status.phase == "Running":
            return str(core.read_namespaced_pod_log(pod.metadata.name, place.namespace, container="base"))
    return ""


def until(is_so: Callable[[], Any], seconds: float = 30) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := is_so():
            return found
        time.sleep(0.05)
    raise TimeoutError


def run_deferred(operator: DbtPodOperator, again: DbtPodOperator, context: dict[str, Any]) -> Any:
    """Run an operator that defers, the triggerer's part included; `again` is the operator in the second process."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    while True:

        async def wait(trigger: Any = deferred.value.trigger) -> Any:
            return (await anext(trigger.run())).payload

        event = asyncio.run(wait())
        try:
            return getattr(again, deferred.value.method_name)(context, event)
        except TaskDeferred as once_more:
            deferred.value.trigger = once_more.trigger


def pruned(value: Any) -> Any:
    """Without what is empty: Airflow sends `hostAliases: []` where we leave the key out."""
    if isinstance(value, dict):
        kept = {key: pruned(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, {}, [], "", False)}
    return [pruned(each) for each in value] if isinstance(value, list) else value


def without_airflows_own(pod: dict[str, Any]) -> Any:
    """The pod without what Airflow adds by its own word: labels of the try, the end of the name, a default."""
    labels = {key: value for key, value in pod["metadata"]["labels"].items() if "/" in key}
    base, *others = pod["spec"]["containers"]
    bare = {key: value for key, value in base.items() if key != "terminationMessagePolicy"}
    metadata = {**pod["metadata"], "name": "", "labels": labels}
    return pruned({**pod, "metadata": metadata, "spec": {**pod["spec"], "containers": [bare, *others]}})
