"""The pod operator against a cluster: pods that do well, pods in every kind of trouble, and workers that die."""

import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("airflow")

from kubernetes import client
from script_pods import SLEEP, Make, Tries, log_of, pods_of, run_deferred, until

from dbt_af_k8s.airflow.pods.log import LogClient
from dbt_af_k8s.airflow.pods.operator import DbtPodOperator
from dbt_af_k8s.airflow.scripts.run import ScriptFailedError, ScriptRetryError

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

TELL = """
from dbt_af_k8s_pod import PodContext
pod = PodContext.from_env()
print("{{ said }} by the script", flush=True)
pod.write_result({"start": pod.start.isoformat(), "conf": pod.dag_run_conf, "orders": pod.ref("orders")})
"""


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
