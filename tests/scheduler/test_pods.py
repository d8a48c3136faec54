"""Scripts in pods under a real scheduler, worker and triggerer: one pod for who dies, none for who is cleared."""

import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest
from scheduler.lab import Lab

if TYPE_CHECKING:
    from cluster_server.server import Cluster

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.slow]

NAMES = ("triggerer_killed", "worker_killed", "drained", "cleared", "cleared_deferred")


@pytest.fixture(scope="module")
def started(lab: Lab, kubernetes: Any) -> Lab:
    """Every DAG has begun its only run, and every pod runs."""
    if kubernetes.stand_in is None:
        pytest.skip("needs the stand-in, which tells of every pod that ever was")
    shutil.copy(kubernetes.kubeconfig, lab.session.home / "kubeconfig")
    dags = {f"pods__{name}" for name in NAMES}
    lab.session.until("Airflow has read pods.py", lambda: dags <= set(lab.dags_or_fail("pods.py")))
    for dag_id in sorted(dags):
        lab.rest.switch_on(dag_id)
        lab.rest.trigger(dag_id)
    return lab


def pods(stand_in: "Cluster", name: str) -> list[dict[str, Any]]:
    """The pods of a DAG that are there now."""
    from cluster_server.kinds import POD

    there = stand_in.all(POD, "default")
    return [pod for pod in there if pod["metadata"]["labels"]["dag_id"] == f"pods__{name}"]


def ever(stand_in: "Cluster", name: str) -> list[str]:
    """Names of all pods that a DAG ever had."""
    from cluster_server.kinds import POD

    history = stand_in.do(lambda: list(stand_in.store.history))
    made = [change.thing for change in history if change.kind is POD and change.what == "ADDED"]
    own = [pod["metadata"] for pod in made if pod["metadata"].get("labels", {}).get("dag_id") == f"pods__{name}"]
    return [each["name"] for each in own]


def go_on(lab: Lab, name: str) -> None:
    """Let the script of a DAG come to its end."""
    (lab.session.control / f"pods__{name}.go").touch()


def running_pod(lab: Lab, stand_in: "Cluster", name: str) -> str:
    """Wait for the first pod of a DAG to run; its name."""

    def look() -> str | None:
        found = [pod["metadata"]["name"] for pod in pods(stand_in, name) if pod["status"]["phase"] == "Running"]
        return found[0] if found else None

    return lab.session.until(f"the pod of {name} runs", look)


def test_a_pod_survives_a_triggerer_that_is_killed(started: Lab, stand_in: "Cluster") -> None:
    dag_id = "pods__triggerer_killed"
    pod = running_pod(started, stand_in, "triggerer_killed")
    started.until_state(dag_id, "script", "deferred")
    started.session.kill_process("triggerer")
    started.session.start_process("triggerer")
    go_on(started, "triggerer_killed")
    task = started.until_state(dag_id, "script", "success")
    assert ever(stand_in, "triggerer_killed") == [pod]
    assert task["try_number"] == 1
    assert "waited" in started.log(task)
    assert pods(stand_in, "triggerer_killed") == []


def test_the_pod_of_a_killed_worker_counts_though_it_ended_alone(started: Lab, stand_in: "Cluster") -> None:
    dag_id = "pods__worker_killed"
    pod = running_pod(started, stand_in, "worker_killed")
    task = started.until_state(dag_id, "script", "running")
    os.kill(task["pid"], signal.SIGKILL)
    # The pod ends while nobody looks.
    go_on(started, "worker_killed")
    task = started.until_state(dag_id, "script", "success")
    assert task["try_number"] == 2
    assert ever(stand_in, "worker_killed") == [pod]
    assert "waited" in started.log(task)


def test_a_task_that_is_told_to_end_is_tried_again_and_not_green(started: Lab, stand_in: "Cluster") -> None:
    """As where a worker's node is drained: SIGTERM, in the midst of a script whose result is read."""
    dag_id = "pods__drained"
    pod = running_pod(started, stand_in, "drained")
    task = started.until_state(dag_id, "script", "running")
    os.kill(task["pid"], signal.SIGTERM)
    started.session.until("there is a pod for another try", lambda: len(ever(stand_in, "drained")) == 2)
    assert pod not in [each["metadata"]["name"] for each in pods(stand_in, "drained")]
    go_on(started, "drained")
    assert started.until_state(dag_id, "script", "success")["try_number"] == 2
    assert len(ever(stand_in, "drained")) == 2


@pytest.mark.parametrize(("name", "state"), [("cleared", "running"), ("cleared_deferred", "deferred")])
def test_a_task_that_is_cleared_takes_its_pod_along(started: Lab, stand_in: "Cluster", name: str, state: str) -> None:
    dag_id = f"pods__{name}"
    pod = running_pod(started, stand_in, name)
    task = started.until_state(dag_id, "script", state)
    started.rest.clear(dag_id, task["dag_run_id"], "script")

    def is_another() -> bool:
        return len(ever(stand_in, name)) == 2 and pod not in [each["metadata"]["name"] for each in pods(stand_in, name)]

    started.session.until("there is a pod of its own for the new try, and no other", is_another)
    go_on(started, name)
    # Airflow may count a resumption that races with the clearing as a try of its own; the pod is the same one.
    assert started.until_state(dag_id, "script", "success")["try_number"] >= 2
    assert len(ever(stand_in, name)) == 2
