"""The project's pod operator while the cluster has all kinds of trouble: one run by `dag.test`, one fault a task.

Every task may be tried three times; what is said of each below is its end, its tries, and the pods that were made.
"""

import os
import re
import signal
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow")

from cluster_server.faults import LogFault, PodFault, RequestFault
from cluster_server.kinds import CONFIG_MAP, POD
from cluster_server.place import Place
from cluster_server.scripts_run import lines_of, run_scripts, start_scripts
from cluster_server.server import Cluster
from dag_test_lab import DagTestLab
from kubernetes import client
from kubernetes.stream import stream

pytestmark = [pytest.mark.cluster, pytest.mark.airflow, pytest.mark.slow]

POD_FAULTS = (
    PodFault("evicted", "evicted-*", on_line="waiting"),
    PodFault("evicted", "deferred-evicted-*", on_line="waiting"),
    PodFault("node_lost", "node-lost-*", on_line="waiting"),
    PodFault("deleted", "deleted-*", on_line="waiting"),
    PodFault("oom", "climbs-*", on_line="waiting"),
    PodFault("oom", "out-of-memory-*", on_line="waiting"),
    PodFault("image_pull", "no-image-*"),
    PodFault("unschedulable", "no-node-*", message="0/3 nodes are available: 3 Insufficient memory."),
    PodFault("slow_start", "slow-*", seconds=4),
)
REQUEST_FAULTS = (
    RequestFault("create", "pods", "lost-answer-*", code=500, after_doing=True),
    RequestFault("create", "pods", "conflict-*", code=409, message="Operation cannot be fulfilled on resourcequotas"),
    RequestFault("create", "pods", "too-many-*", code=429, retry_after=1),
    RequestFault("get", "pods", "too-many-*", code=429, retry_after=1, times=2),
    RequestFault("get", "pods", "in-trouble-*", code=503, times=3),
    RequestFault("get", "pods", "cut-off-*", code=0, times=2),
    RequestFault("log", "pods", "cut-off-*", code=0),
)
LOG_FAULTS = (
    LogFault("broken-log-*", "base", break_after=5),
    LogFault("repeated-log-*", "base", break_after=9),
    LogFault("repeated-log-*", "base", repeat=4),
)


@dataclass(frozen=True)
class End:
    """How a task ends, and what it says."""

    state: str
    tries: int
    pods: int
    reason: str | None = None


FINE = End("success", 1, 1)
ENDS = {
    "fine": FINE,
    "result": FINE,
    "from-config-map": FINE,
    "deferred": FINE,
    "exits": End("failed", 1, 1, "container base ended with exit code 3."),
    "deferred-exits": End("failed", 1, 1, "container base ended with exit code 3."),
    "deadline": End("failed", 1, 1, "it took longer than its active deadline"),
    "evicted": End("success", 2, 2, "it was evicted: The node was low on resource: memory."),
    "deferred-evicted": End("success", 2, 2, "it was evicted: The node was low on resource: memory."),
    "node-lost": End("success", 2, 2, "the pod is gone"),
    "deleted": End("success", 2, 2, "the pod"),
    "climbs": End("success", 2, 2, "ran out of memory (OOMKilled, exit code 137); the next try gets 128Mi"),
    "out-of-memory": End("failed", 1, 1, "ran out of memory (OOMKilled, exit code 137)"),
    "no-image": End("success", 2, 2, "the image of container base cannot be pulled"),
    "no-node": End("success", 2, 2, "no node takes it: 0/3 nodes are available: 3 Insufficient memory"),
    "slow": FINE,
    "two-logs": FINE,
    "in-trouble": FINE,
    "cut-off": FINE,
    "broken-log": FINE,
    "repeated-log": FINE,
}


@pytest.fixture(scope="module")
def lab(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> DagTestLab:
    return DagTestLab(tmp_path_factory.mktemp("airflow"), programs / "python")


@pytest.fixture(scope="module")
def run(kubernetes: Place, lab: DagTestLab) -> tuple[dict[str, Any], str]:
    """What became of the tasks, and everything that was logged."""
    if kubernetes.stand_in is None:
        pytest.skip("needs the stand-in: a real cluster does not fail to order")
    for pod_fault in POD_FAULTS:
        kubernetes.stand_in.fail_pods(pod_fault)
    for request_fault in REQUEST_FAULTS:
        kubernetes.stand_in.fail_requests(request_fault)
    for log_fault in LOG_FAULTS:
        kubernetes.stand_in.fail_logs(log_fault)
    return run_scripts(kubernetes, lab, "all")


@pytest.mark.parametrize("task", sorted(ENDS))
def test_a_task_ends_as_it_should(
    run: tuple[dict[str, Any], str], stand_in: Cluster, kubernetes: Place, task: str
) -> None:
    tasks, log = run
    made = [name for name in stand_in.pods_ever(kubernetes.namespace, task) if re.fullmatch(rf"{task}-\w{{8}}", name)]
    end = ENDS[task]
    assert (tasks[task]["state"], tasks[task]["tries"], len(made)) == (end.state, end.tries, end.pods), made
    if end.reason is not None:
        assert end.reason in lines_of(log, task)


@pytest.mark.parametrize("task", ["lost-answer", "conflict", "too-many"])
def test_there_is_never_a_second_pod_at_a_time(
    run: tuple[dict[str, Any], str], stand_in: Cluster, kubernetes: Place, task: str
) -> None:
    history = stand_in.do(lambda: list(stand_in.store.history))
    there, most = set(), 0
    for change in history:
        name = change.thing["metadata"]["name"]
        if change.kind is POD and name.startswith(f"{task}-"):
            is_over = change.what == "DELETED" or change.thing["status"]["phase"] in ("Succeeded", "Failed")
            there = there - {name} if is_over else there | {name}
            most = max(most, len(there))
    assert run[0][task]["state"] == "success"
    assert most == 1


@pytest.mark.parametrize("task", ["result", "broken-log", "repeated-log"])
def test_a_result_is_handed_over_whatever_becomes_of_the_log(run: tuple[dict[str, Any], str], task: str) -> None:
    assert run[0][task]["result"] == {"rows": 3}


@pytest.mark.parametrize("task", ["fine", "from-config-map", "broken-log", "repeated-log"])
def test_no_line_of_a_log_is_lost(run: tuple[dict[str, Any], str], task: str) -> None:
    """While its container runs: of one that ended while its log was broken, Airflow reads no more (10.25)."""
    numbers = [int(number) for number in re.findall(r"\bline (\d+)", lines_of(run[1], task))]
    assert sorted(set(numbers)) == list(range(40))


def test_the_events_stand_under_the_reason(run: tuple[dict[str, Any], str]) -> None:
    after = lines_of(run[1], "exits").split("ended with exit code 3.", 1)[1]
    for event in ("Normal Scheduled", "Normal Pulled", "Normal Started"):
        assert event in after


def test_the_second_try_has_more_memory(run: tuple[dict[str, Any], str], stand_in: Cluster) -> None:
    history = stand_in.do(lambda: list(stand_in.store.history))
    made = [change.thing for change in history if change.kind is POD and change.what == "ADDED"]
    pods = [pod for pod in made if pod["metadata"]["name"].startswith("climbs-")]
    assert [pod["spec"]["containers"][0]["resources"]["requests"]["memory"] for pod in pods] == ["64Mi", "128Mi"]


def test_nothing_is_left(run: tuple[dict[str, Any], str], stand_in: Cluster, kubernetes: Place) -> None:
    """Neither pods nor the ConfigMaps that they own."""
    left = [pod["metadata"]["name"] for pod in stand_in.all(POD, kubernetes.namespace)]
    maps = [each["metadata"]["name"] for each in stand_in.all(CONFIG_MAP, kubernetes.namespace)]
    assert [name for name in left if any(name.startswith(f"{task}-") for task in ENDS)] == []
    assert [name for name in maps if name.startswith("dbt-af-script")] == []


def test_the_log_of_a_sidecar_is_copied(run: tuple[dict[str, Any], str]) -> None:
    said = lines_of(run[1], "two-logs")
    assert [said.count(f"[helper] helped {number} ") for number in (1, 2)] == [1, 1]


def test_the_pod_of_a_killed_worker_is_adopted(kubernetes: Place, lab: DagTestLab, core: client.CoreV1Api) -> None:
    """The same run is taken up by another process, as after a worker's death."""
    at = "2026-05-01T00:00:00+00:00"
    with start_scripts(kubernetes, lab, "adopted", at) as child:
        name = until_running(core, kubernetes, "adopted")
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    said: list[str] = []
    with start_scripts(kubernetes, lab, "adopted", at) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if f"Reusing existing pod '{name}'" in line:
                go_on(kubernetes, name)
            said.append(line)
    assert '"state": "success"' in said[-1]
    assert any(re.search(r"\] waited\b", line) for line in said)
    assert core.list_namespaced_pod(kubernetes.namespace, field_selector=f"metadata.name={name}").items == []
    if kubernetes.stand_in is not None:
        assert kubernetes.stand_in.pods_ever(kubernetes.namespace, "adopted-") == [name]


def until_running(core: client.CoreV1Api, kubernetes: Place, task: str) -> str:
    """Wait until the only pod of a task runs; its name."""
    ends = time.monotonic() + 180
    while time.monotonic() < ends:
        pods = core.list_namespaced_pod(kubernetes.namespace, label_selector=f"task_id={task}").items
        if [pod.status.phase for pod in pods] == ["Running"]:
            return str(pods[0].metadata.name)
        time.sleep(0.1)
    raise TimeoutError(f"{task}: {pods}")


def go_on(kubernetes: Place, pod: str) -> None:
    """Let a script that is held come to its end, by a command in its container."""
    script = "touch /tmp/$DBT_AF_NODE-$POD.go"
    with kubernetes.api_client() as api:
        call = client.CoreV1Api(api).connect_get_namespaced_pod_exec
        options = {"command": ["sh", "-c", script], "stdin": False, "stdout": True, "stderr": True, "tty": False}
        with closing(stream(call, pod, kubernetes.namespace, _preload_content=False, **options)) as running:
            running.run_forever(timeout=20)
            running.sock.shutdown()
            assert running.returncode == 0
