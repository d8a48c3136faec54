"""The pod operator against a cluster: pods that do well, pods in every kind of trouble, and workers that die."""

import asyncio
import gc
import re
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("airflow")

from airflow.sdk.exceptions import TaskDeferred
from kubernetes import client

from dbt_af_k8s.airflow.pods.log import LogClient
from dbt_af_k8s.airflow.pods.operator import DbtPodOperator
from dbt_af_k8s.airflow.scripts.run import ScriptFailedError, ScriptRetryError
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.pods.target import read_target
from dbt_af_k8s.pods.values import Payload

if TYPE_CHECKING:
    from cluster_server.place import Place
    from cluster_server.server import Cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.usefixtures("airflow_without_connections"),
    # Airflow's hooks leave connections to the end of a task's process.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
TELL = """
from dbt_af_k8s_pod import PodContext
pod = PodContext.from_env()
print("{{ said }} by the script", flush=True)
pod.write_result({"start": pod.start.isoformat(), "conf": pod.dag_run_conf, "orders": pod.ref("orders")})
"""
SLEEP = "import time; print('began', flush=True); time.sleep(60)"
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


@pytest.fixture
def core(kubernetes: "Place") -> Iterator[client.CoreV1Api]:
    with kubernetes.api_client() as api:
        yield client.CoreV1Api(api)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of the script, another one for each test."""
    return f"s{zlib.crc32(request.node.name.encode()):x}"


@pytest.fixture
def make(kubernetes: "Place", name: str) -> Iterator[Make]:
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


def scripts_of(core: client.CoreV1Api, place: "Place") -> list[str]:
    names = [each.metadata.name for each in core.list_namespaced_config_map(place.namespace).items]
    return [each for each in names if each.startswith("dbt-af-script")]


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


@pytest.mark.parametrize("script_from", ["env", "config_map"])
def test_a_script_runs_and_hands_its_result_on(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str, script_from: str, capfd: Any
) -> None:
    operator = make(TELL, xcom=True, script_from=script_from)
    result = operator.execute(Tries(name).context(full=True))
    assert result == {"start": "2026-03-01T00:00:00+00:00", "conf": {"full": True}, "orders": "db.orders"}
    assert "{{ said }} by the script" in capfd.readouterr().out
    until(lambda: not pods_of(core, kubernetes, name))
    until(
        lambda: (
            not [
                each
                for each in core.list_namespaced_config_map(kubernetes.namespace).items
                if "dbt-af" in each.metadata.name
            ]
        )
    )


def test_the_exit_code_is_the_reason_and_no_other_try_is_made(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str
) -> None:
    with pytest.raises(ScriptFailedError, match=rf"pod {kubernetes.namespace}/{name}-.*exit code 3") as failed:
        make("raise SystemExit(3)").execute(Tries(name).context())
    assert "\n" not in str(failed.value)
    until(lambda: not pods_of(core, kubernetes, name))


def test_an_exit_code_that_may_pass_is_tried_again(make: Make, name: str) -> None:
    with pytest.raises(ScriptRetryError, match="exit code 75"):
        make("raise SystemExit(75)", retry_script=[75], xcom=True).execute(Tries(name).context())


def test_a_result_that_is_no_json_is_the_scripts_fault(make: Make, name: str) -> None:
    source = "import os; os.makedirs('/airflow/xcom', exist_ok=True); open('/airflow/xcom/return.json', 'w').write('{')"
    with pytest.raises(ScriptFailedError, match="no JSON"):
        make(source, xcom=True).execute(Tries(name).context())


def test_a_pod_that_runs_too_long(make: Make, name: str) -> None:
    with pytest.raises(ScriptFailedError, match="longer than its active deadline"):
        make(SLEEP, active_deadline=1).execute(Tries(name).context())


def test_a_kill_takes_the_pod_along(make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str) -> None:
    operator = make(SLEEP)

    def kill() -> None:
        # Process 1 hears no signal before it says what it does with it.
        until(lambda: "began" in log_of(core, kubernetes, name))
        operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever it is, the task is dead)
        operator.execute(Tries(name).context())
    killer.join()
    until(lambda: not pods_of(core, kubernetes, name))


@pytest.mark.parametrize("script_from", ["env", "config_map"])
def test_a_worker_that_dies_leaves_a_pod_which_the_next_try_adopts(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str, script_from: str
) -> None:
    tries = Tries(name)
    source = "import time; time.sleep(2); print('done')"
    first = make(source, script_from=script_from)
    first.prepare(tries.context(1))
    # As far as a worker comes that is killed outright: the pod is there, its ConfigMap perhaps not yet.
    super(DbtPodOperator, first).get_or_create_pod(first.build_pod_request_obj(tries.context(1)), tries.context(1))
    (left,) = pods_of(core, kubernetes, name)
    second = make(source, script_from=script_from)
    second.execute(tries.context(2))
    assert second.pod.metadata.name == left.metadata.name


def test_a_pod_that_is_being_deleted_is_waited_for_and_not_adopted(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str
) -> None:
    tries = Tries(name)
    source = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(2), sys.exit(1)))\n"
        "print('began', flush=True)\ntime.sleep(1.5)"
    )
    first = make(source)
    first.prepare(tries.context(1))
    super(DbtPodOperator, first).get_or_create_pod(first.build_pod_request_obj(tries.context(1)), tries.context(1))
    (left,) = pods_of(core, kubernetes, name)
    until(lambda: "began" in log_of(core, kubernetes, name))
    core.delete_namespaced_pod(left.metadata.name, kubernetes.namespace)
    second = make(source)
    second.execute(tries.context(2))
    assert second.pod.metadata.name != left.metadata.name


@pytest.mark.parametrize(("source", "told"), [(TELL, None), ("raise SystemExit(4)", "exit code 4")])
def test_a_deferred_task_has_the_same_verdict(make: Make, name: str, source: str, told: str | None) -> None:
    operator, again = (make(source, deferrable=True, xcom=told is None, log_every=0) for _ in range(2))
    if told is None:
        result = run_deferred(operator, again, Tries(name).context())
        assert result["orders"] == "db.orders"
        return
    with pytest.raises(ScriptFailedError, match=told):
        run_deferred(operator, again, Tries(name).context())


# Trouble to order: the stand-in alone does that. The rest of it is tried in a real Airflow by test_pod_faults.py


def test_a_pod_that_is_gone_is_noticed_though_nobody_ends_its_log(
    make: Make, stand_in: "Cluster", name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster_server.faults import PodFault

    monkeypatch.setattr(LogClient, "longest_silence", 1)
    stand_in.fail_pods(PodFault("node_lost", pod=f"{name}*", on_line="began"))
    with pytest.raises(ScriptRetryError, match="the pod is gone"):
        make(SLEEP).execute(Tries(name).context())


def test_a_script_that_says_nothing_for_long_is_waited_for(
    make: Make, stand_in: "Cluster", name: str, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    # Airflow reads on from two seconds after the last line; a shorter silence would repeat it.
    monkeypatch.setattr(LogClient, "longest_silence", 2.2)
    source = "import time; print('before', flush=True); time.sleep(5); print('after')"
    make(source).execute(Tries(name).context())
    assert re.findall(r"\] (before|after|Traceback)\b", capfd.readouterr().out) == ["before", "after"]


def test_a_pod_out_of_memory_climbs_the_ladder_by_its_tries_alone(make: Make, stand_in: "Cluster", name: str) -> None:
    from cluster_server.faults import PodFault

    stand_in.fail_pods(PodFault("oom", pod=f"{name}*"))
    tries = Tries(name, has_store=False)
    ladder = {"pod_memory_guarantee": "64Mi", "memory_ladder": ["128Mi"]}
    with pytest.raises(ScriptRetryError, match="the next try gets 128Mi"):
        make(SLEEP, **ladder).execute(tries.context(1))
    second = make("print('enough')", **ladder)
    second.execute(tries.context(2))
    assert second.pod_template_dict["spec"]["containers"][0]["resources"]["limits"]["memory"] == "128Mi"


def test_an_answer_that_is_lost_makes_no_second_pod(make: Make, stand_in: "Cluster", name: str) -> None:
    from cluster_server.faults import RequestFault

    stand_in.fail_requests(RequestFault("create", "pods", code=0, after_doing=True))
    make("print('once')").execute(Tries(name).context())
    assert len(stand_in.pods_ever(make("").namespace, name)) == 1


def test_who_may_not_make_pods_is_told_so_once(make: Make, stand_in: "Cluster", kubernetes: "Place", name: str) -> None:
    config = stand_in.account_kubeconfig(kubernetes.namespace, "default")
    with pytest.raises(ScriptFailedError, match=r"the cluster answers 403: .*pods.* is forbidden"):
        make("print(1)", kubeconfig=str(config)).execute(Tries(name).context())


def test_a_pod_without_its_config_map_is_not_left_behind(
    make: Make, stand_in: "Cluster", kubernetes: "Place", name: str, core: client.CoreV1Api
) -> None:
    from cluster_server.faults import RequestFault

    stand_in.fail_requests(RequestFault("create", "configmaps", code=403, message="exceeded quota: team"))
    with pytest.raises(ScriptRetryError, match="exceeded quota"):
        make("print(1)", script_from="config_map").execute(Tries(name).context())
    until(lambda: not pods_of(core, kubernetes, name))
