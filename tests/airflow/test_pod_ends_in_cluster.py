"""How a script's pod ends for its task: kills in every phase, companions that go on, results that arrive whole."""

import json
import os
import random
import signal
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("airflow")

from airflow.sdk.exceptions import TaskDeferred
from kubernetes import client
from script_pods import (
    END,
    GOES_ON,
    SLEEP,
    START,
    Make,
    Tries,
    log_of,
    pods_of,
    run_deferred,
    until,
    without_airflows_own,
)

from dbt_af_k8s.airflow.pods.operator import DbtPodOperator
from dbt_af_k8s.airflow.scripts.run import ScriptFailedError, ScriptRetryError
from dbt_af_k8s.plan.objects import objects_of
from dbt_af_k8s.plan.values import TaskKind, TaskPlan
from dbt_af_k8s.pods.values import PodRun

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
KILLED = "the task was killed, and its pod deleted"
#: Ends well when it is asked to end: half of its work is not done.
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("began", flush=True)
time.sleep(60)
"""
RESULT = "from dbt_af_k8s_pod import PodContext\nPodContext.from_env().write_result({})\n"
NOISE = "".join(random.Random(7).choices(string.ascii_letters, k=1_000_000))


@contextmanager
def killable(operator: DbtPodOperator) -> Iterator[None]:
    """SIGTERM does what Airflow's task runner does with it, in the main thread: it calls `on_kill`, and goes on."""
    before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def killing(operator: DbtPodOperator, method: str) -> None:
    """Let SIGTERM come when the operator calls one of its methods."""
    call = getattr(operator, method)

    def called(*given: Any, **more: Any) -> Any:
        kill()
        return call(*given, **more)

    setattr(operator, method, called)


def kill_when(is_so: Callable[[], Any]) -> threading.Thread:
    def wait() -> None:
        until(is_so)
        kill()

    killer = threading.Thread(target=wait)
    killer.start()
    return killer


@pytest.mark.parametrize("xcom", [True, False], ids=["xcom", "no xcom"])
@pytest.mark.parametrize("source", [SLEEP, POLITE], ids=["dies", "ends well"])
def test_a_script_that_is_killed_half_way_is_never_green(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str, xcom: bool, source: str
) -> None:
    operator = make(source, xcom=xcom)
    with killable(operator):
        killer = kill_when(lambda: "began" in log_of(core, kubernetes, name))
        with pytest.raises(ScriptRetryError, match=KILLED):
            operator.execute(Tries(name).context())
        killer.join()
    until(lambda: not pods_of(core, kubernetes, name))


@pytest.mark.parametrize("is_last", ["await_pod_start", "extract_xcom", "get_or_create_pod"])
def test_a_kill_while_it_starts_or_its_result_is_read(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str, is_last: str
) -> None:
    operator = make(RESULT.format('{"a": 1}'), xcom=True)
    killing(operator, is_last)
    with killable(operator), pytest.raises(ScriptRetryError, match=KILLED):
        operator.execute(Tries(name).context())
    until(lambda: not pods_of(core, kubernetes, name))


@pytest.mark.parametrize("method", ["_write_logs", "extract_xcom", "invoke_defer_method"])
def test_a_kill_after_or_before_a_deferral(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str, method: str
) -> None:
    operator, again = (make(RESULT.format("1"), xcom=True, deferrable=True, log_every=0) for _ in range(2))
    killing(operator if method == "invoke_defer_method" else again, method)
    with killable(operator if method == "invoke_defer_method" else again):
        if method == "invoke_defer_method":
            with pytest.raises(ScriptRetryError, match=KILLED):
                operator.execute(Tries(name).context())
        else:
            with pytest.raises(ScriptRetryError, match=KILLED):
                run_deferred(operator, again, Tries(name).context())
    until(lambda: not pods_of(core, kubernetes, name))


def test_a_pod_that_others_delete_is_never_green_however_it_ends(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str
) -> None:
    def delete() -> None:
        until(lambda: "began" in log_of(core, kubernetes, name))
        (pod,) = pods_of(core, kubernetes, name)
        core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace)

    deleter = threading.Thread(target=delete)
    deleter.start()
    # It may be gone before the operator has seen it run.
    with pytest.raises(ScriptRetryError, match=r"deleted (while the script ran|before the script was seen to run)"):
        make(POLITE).execute(Tries(name).context())
    deleter.join()


# Containers that others have put beside the script


def proxy(kubernetes: "Place", script: str) -> dict[str, Any]:
    return {"name": "linkerd-proxy", "image": kubernetes.shell_image, "command": ["sh", "-c", script]}


@pytest.mark.parametrize("xcom", [True, False], ids=["xcom", "no xcom"])
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
def test_the_end_of_the_script_is_the_end(
    make: Make,
    stand_in: "Cluster",
    kubernetes: "Place",
    core: client.CoreV1Api,
    name: str,
    xcom: bool,
    deferrable: bool,
    capfd: Any,
) -> None:
    stand_in.inject(proxy(kubernetes, GOES_ON), f"{name}*")
    operators = [make(RESULT.format('"done"'), xcom=xcom, deferrable=deferrable, log_every=0) for _ in range(2)]
    context = Tries(name).context()
    result = run_deferred(*operators, context) if deferrable else operators[0].execute(context)
    assert result == ("done" if xcom else None)
    assert "Container linkerd-proxy goes on after the script" in capfd.readouterr().out
    # Not on its way to its end: gone.
    assert not [pod for pod in core.list_namespaced_pod(kubernetes.namespace).items if name in pod.metadata.name]


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
@pytest.mark.parametrize("sleeps", ["0.1", "2"], ids=["first", "last"])
def test_a_sidecar_that_fails_beside_a_good_script_does_not_fail_it(
    make: Make, stand_in: "Cluster", kubernetes: "Place", name: str, deferrable: bool, sleeps: str, capfd: Any
) -> None:
    stand_in.inject(proxy(kubernetes, "sleep 0.5; exit 3"), f"{name}*")
    source = f"import time; time.sleep({sleeps})"
    operators = [make(source, deferrable=deferrable, log_every=0) for _ in range(2)]
    context = Tries(name).context()
    _ = run_deferred(*operators, context) if deferrable else operators[0].execute(context)
    if sleeps == "2":
        words = "Container linkerd-proxy ended with exit code 3 beside the script; that does not count."
        assert words in capfd.readouterr().out


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
def test_a_script_that_fails_beside_a_sidecar_has_its_own_code(
    make: Make, stand_in: "Cluster", kubernetes: "Place", name: str, deferrable: bool
) -> None:
    stand_in.inject(proxy(kubernetes, GOES_ON), f"{name}*")
    operators = [make("raise SystemExit(4)", deferrable=deferrable, log_every=0) for _ in range(2)]
    context = Tries(name).context()
    with pytest.raises(ScriptFailedError, match="container base ended with exit code 4"):
        _ = run_deferred(*operators, context) if deferrable else operators[0].execute(context)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
def test_a_sidecar_whose_image_is_not_there_does_not_fail_a_good_script(
    make: Make, stand_in: "Cluster", kubernetes: "Place", name: str, deferrable: bool
) -> None:
    from cluster_server.faults import PodFault

    stand_in.fail_pods(PodFault("image_pull", pod=f"{name}*", container="linkerd-proxy"))
    stand_in.inject(proxy(kubernetes, GOES_ON), f"{name}*")
    source = f"import time; time.sleep(2)\n{RESULT.format(3)}"
    operators = [make(source, xcom=True, deferrable=deferrable, log_every=0) for _ in range(2)]
    context = Tries(name).context()
    assert (run_deferred(*operators, context) if deferrable else operators[0].execute(context)) == 3


# Results


@pytest.mark.parametrize("size", [4, 4096, 1_000_000])
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
def test_a_result_arrives_whole(
    make: Make, kubernetes: "Place", name: str, size: int, deferrable: bool, capfd: Any
) -> None:
    source = (
        "import random, string\n"
        f"text = ''.join(random.Random(7).choices(string.ascii_letters, k=1_000_000))[:{size}]\n"
        f"{RESULT.format('text')}print('said')\n"
    )
    operators = [make(source, xcom=True, deferrable=deferrable, log_every=0) for _ in range(2)]
    context = Tries(name).context()
    result = run_deferred(*operators, context) if deferrable else operators[0].execute(context)
    assert result == NOISE[:size]
    out = capfd.readouterr().out
    assert "said" in out
    assert "dbt-af-k8s-result" not in out


def test_a_result_is_whole_or_the_task_fails(make: Make, stand_in: "Cluster", name: str) -> None:
    from cluster_server.faults import LogFault

    stand_in.fail_logs(LogFault(f"{name}*", "base", break_after=20, times=100))
    source = f"text = {NOISE[:300_000]!r}\n{RESULT.format('text')}"
    with pytest.raises(ScriptRetryError, match="the script's result has not arrived"):
        make(source, xcom=True, script_from="config_map", logs=False).execute(Tries(name).context())


def test_requests_that_are_cut_cost_no_result(make: Make, stand_in: "Cluster", name: str) -> None:
    stand_in.cut_requests(0.7)
    source = (
        f"import time\nprint('began', flush=True); time.sleep(3)\ntext = {NOISE[:50_000]!r}\n{RESULT.format('text')}"
    )
    assert make(source + RESULT.format("text"), xcom=True).execute(Tries(name).context()) == NOISE[:50_000]


def test_a_failed_script_hands_on_what_it_has(make: Make, name: str) -> None:
    tries = Tries(name)
    with pytest.raises(ScriptFailedError, match="exit code 5"):
        make(f"{RESULT.format([1])}raise SystemExit(5)", xcom=True).execute(tries.context())
    assert tries.pushed["return_value"] == [1]


@pytest.mark.parametrize("source", ["", "import os; os._exit(0)", "import os; os.execvp('true', ['true'])"])
def test_no_result_is_none_however_the_script_leaves(make: Make, name: str, source: str) -> None:
    assert make(source, xcom=True).execute(Tries(name).context()) is None


def test_a_result_is_lost_with_a_pod_that_is_gone_before_it_is_read(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, name: str
) -> None:
    operator, again = (make(RESULT.format("1"), xcom=True, deferrable=True, log_every=0) for _ in range(2))
    with pytest.raises(TaskDeferred):
        operator.execute(Tries(name).context())
    (pod,) = pods_of(core, kubernetes, name)
    core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace, grace_period_seconds=0)
    until(lambda: not pods_of(core, kubernetes, name))
    event = {"status": "success", "name": pod.metadata.name, "namespace": kubernetes.namespace, "message": ""}
    with pytest.raises(ScriptRetryError, match="the pod is gone, and the script's result with it"):
        again.trigger_reentry(Tries(name).context(), event)


# What is sent


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
@pytest.mark.parametrize("xcom", [True, False], ids=["xcom", "no xcom"])
@pytest.mark.parametrize("script_from", ["env", "config_map"])
def test_the_cluster_gets_what_render_shows(
    make: Make, stand_in: "Cluster", name: str, xcom: bool, deferrable: bool, script_from: str
) -> None:
    operators = [make("pass", xcom=xcom, deferrable=deferrable, script_from=script_from, log_every=0) for _ in range(2)]
    context = Tries(name).context(full=True)
    _ = run_deferred(*operators, context) if deferrable else operators[0].execute(context)
    sent = stand_in.sent_pod(name)
    task = TaskPlan("t", TaskKind.RUN, (f"model.shop.{name}",), runner="kubernetes", pod=operators[0].pod_plan)
    volumes = {each["name"]: each for each in sent["spec"].get("volumes", ())}
    config_map = volumes["dbt-af-script"]["configMap"]["name"] if script_from == "config_map" else None
    *_, shown = objects_of(task, PodRun(START, END, {"full": True}, config_map))
    assert without_airflows_own(sent) == without_airflows_own(json.loads(json.dumps(shown)))


@pytest.fixture
def strict_namespace(core: client.CoreV1Api, kubernetes: "Place") -> Iterator[None]:
    """The namespace takes none but restricted pods, and none without limits."""
    label = "pod-security.kubernetes.io/enforce"
    core.patch_namespace(kubernetes.namespace, {"metadata": {"labels": {label: "restricted"}}})
    hard = {"limits.cpu": "4", "limits.memory": "4Gi"}
    core.create_namespaced_resource_quota(kubernetes.namespace, {"metadata": {"name": "all"}, "spec": {"hard": hard}})
    yield
    core.delete_namespaced_resource_quota("all", kubernetes.namespace)
    core.patch_namespace(kubernetes.namespace, {"metadata": {"labels": {label: None}}})


@pytest.mark.usefixtures("strict_namespace")
def test_a_result_comes_out_of_a_restricted_namespace_with_a_quota(make: Make, name: str) -> None:
    target = {
        "run_as_non_root": True,
        "read_only_root": True,
        "security_context": {"runAsUser": 1000},
        "pod_cpu_guarantee": "100m",
        "pod_memory_guarantee": "64Mi",
    }
    assert make(RESULT.format("[1]"), xcom=True, **target).execute(Tries(name).context()) == [1]


# What is told


def test_a_helper_that_fails_is_named_with_the_time(make: Make, kubernetes: "Place", name: str) -> None:
    waits = {"name": "migrate", "image": kubernetes.shell_image, "command": ["sh", "-c", "exit 3"]}
    with pytest.raises(ScriptFailedError) as failed:
        make("pass", init_containers=[waits]).execute(Tries(name).context())
    assert "the script did not begin: after " in str(failed.value)
    assert "container migrate ended with exit code 3" in str(failed.value)
    assert "60 s" not in str(failed.value)


def test_lines_of_a_deferred_script_are_as_it_wrote_them(make: Make, name: str, capfd: Any) -> None:
    source = "import time\nfor number in range(4):\n    print('line', number, flush=True); time.sleep(1)\n"
    operators = [make(source, deferrable=True, log_every=1) for _ in range(2)]
    run_deferred(*operators, Tries(name).context())
    out = capfd.readouterr().out
    assert all(f"line {number}" in out for number in range(4))
    assert "[base]" not in out


def test_a_pod_that_is_deleted_while_it_is_made_is_told_so(
    make: Make, stand_in: "Cluster", kubernetes: "Place", core: client.CoreV1Api, name: str
) -> None:
    from cluster_server.faults import PodFault

    stand_in.fail_pods(PodFault("unschedulable", pod=f"{name}*"))

    def delete() -> None:
        until(lambda: pods_of(core, kubernetes, name))
        (pod,) = pods_of(core, kubernetes, name)
        core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace)

    deleter = threading.Thread(target=delete)
    deleter.start()
    with pytest.raises(ScriptRetryError, match="it was deleted before the script was seen to run"):
        make("pass").execute(Tries(name).context())
    deleter.join()


def test_the_last_try_promises_no_other(make: Make, stand_in: "Cluster", name: str) -> None:
    from cluster_server.faults import PodFault

    stand_in.fail_pods(PodFault("oom", pod=f"{name}*"))
    with pytest.raises(ScriptRetryError, match="a next try would get 128Mi, but this was the last") as failed:
        make(SLEEP, pod_memory_guarantee="64Mi", memory_ladder=["128Mi"]).execute(Tries(name).context(3))
    assert "the next try gets" not in str(failed.value)
