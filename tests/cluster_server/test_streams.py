"""What the cluster streams: watches, logs, and commands in containers, to both Kubernetes clients."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from cluster_server.place import Place
from cluster_server.server import Cluster
from kubernetes import client, watch
from kubernetes.client import ApiException
from kubernetes.stream import stream

pytestmark = [pytest.mark.cluster, pytest.mark.airflow]
Make = Callable[..., client.V1Pod]
Until = Callable[..., client.V1Pod]
Log = Callable[..., str]


def test_a_watch_tells_the_way_of_a_pod(core: client.CoreV1Api, kubernetes: Place, make_pod: Make) -> None:
    pod = make_pod("echo done", labels={"test": "way"})
    phases, last = [], ""
    for event in watch.Watch().stream(
        core.list_namespaced_pod, kubernetes.namespace, label_selector="test=way", timeout_seconds=60
    ):
        phases.append(event["object"].status.phase)
        if phases[-1] == "Succeeded" and last != "MODIFIED":
            core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace)
            last = "MODIFIED"
        if event["type"] == "DELETED":
            break
    assert [phase for phase, before in zip(phases, ["", *phases], strict=False) if phase != before] == [
        "Pending",
        "Running",
        "Succeeded",
    ]


def test_a_watch_goes_on_where_another_ended(core: client.CoreV1Api, kubernetes: Place) -> None:
    version = core.list_namespaced_config_map(kubernetes.namespace).metadata.resource_version
    for name in ("on-1", "on-2"):
        core.create_namespaced_config_map(kubernetes.namespace, {"metadata": {"name": name, "labels": {"test": "on"}}})
    core.patch_namespaced_config_map("on-1", kubernetes.namespace, {"metadata": {"labels": {"test": None}}})
    events = watch.Watch().stream(
        core.list_namespaced_config_map,
        kubernetes.namespace,
        label_selector="test=on",
        resource_version=version,
        timeout_seconds=3,
    )
    seen = [(event["type"], event["object"].metadata.name) for event in events]
    assert seen == [("ADDED", "on-1"), ("ADDED", "on-2"), ("DELETED", "on-1")]


def test_bookmarks_tell_how_far_a_watch_has_come(stand_in: Cluster, core: client.CoreV1Api, kubernetes: Place) -> None:
    reading = watch.Watch()
    options: dict[str, Any] = {"allow_watch_bookmarks": True, "timeout_seconds": 2, "label_selector": "no=such"}
    seen = [event["type"] for event in reading.stream(core.list_namespaced_secret, kubernetes.namespace, **options)]
    assert set(seen) == {"BOOKMARK"}
    assert int(reading.resource_version) > 0


def test_a_watch_from_too_long_ago_is_told_so(stand_in: Cluster, core: client.CoreV1Api, kubernetes: Place) -> None:
    stand_in.do(stand_in.store.forget)
    events = watch.Watch().stream(
        core.list_namespaced_secret, kubernetes.namespace, resource_version="1", timeout_seconds=3
    )
    with pytest.raises(ApiException, match="too old resource version") as caught:
        list(events)
    assert caught.value.status == 410


def test_the_log_in_its_parts(make_pod: Make, until: Until, log: Log) -> None:
    pod = until(make_pod("for n in 1 2 3 4; do echo line $n; done; printf rest"), "Succeeded")
    assert log(pod) == "line 1\nline 2\nline 3\nline 4\nrest"
    assert log(pod, tail_lines=2) == "line 4\nrest"
    assert log(pod, limit_bytes=9) == "line 1\nli"
    first = log(pod, timestamps=True).splitlines()[0]
    assert first.endswith("Z line 1")
    assert first[:4].isdigit()
    time.sleep(2)
    assert log(pod, since_seconds=1) == ""


def test_a_log_is_followed_to_the_end(core: client.CoreV1Api, kubernetes: Place, make_pod: Make, until: Until) -> None:
    pod = until(make_pod("for n in 1 2 3; do echo $n; sleep 0.3; done"), lambda seen: seen.status.phase != "Pending")
    response = core.read_namespaced_pod_log(
        pod.metadata.name, kubernetes.namespace, follow=True, _preload_content=False
    )
    assert b"".join(response.stream()).decode() == "1\n2\n3\n"


def test_a_log_that_is_not_there_yet(stand_in: Cluster, make_pod: Make, until: Until, log: Log) -> None:
    from cluster_server.faults import PodFault

    stand_in.fail_pods(PodFault("image_pull", message="not found"))

    def is_waiting(pod: client.V1Pod) -> bool:
        found = pod.status.container_statuses or []
        return bool(found and found[0].state.waiting and found[0].state.waiting.reason == "ImagePullBackOff")

    pod = until(make_pod("true"), is_waiting)
    with pytest.raises(ApiException, match="is waiting to start: ImagePullBackOff") as caught:
        log(pod)
    assert caught.value.status == 400
    stand_in.do(stand_in.faults.clear)
    until(pod, "Succeeded")


def test_a_container_must_be_named_where_there_are_two(
    make_pod: Make, until: Until, log: Log, kubernetes: Place
) -> None:
    pods = [{"name": name, "image": kubernetes.shell_image, "command": ["echo", name]} for name in ("one", "two")]
    pod = until(make_pod("true", containers=pods), "Succeeded")
    with pytest.raises(ApiException, match="a container name must be specified"):
        log(pod)
    assert log(pod, container="two") == "two\n"


@pytest.fixture(scope="module")
def sleeper(core: client.CoreV1Api, kubernetes: Place) -> Iterator[str]:
    """A pod that runs while commands run in it, and no longer: other tests count what is at work."""
    command = ["sh", "-c", "trap 'exit 0' INT TERM; cd /tmp; echo here > found; while true; do sleep 0.2; done"]
    base = {
        "name": "base",
        "image": kubernetes.shell_image,
        "command": command,
        "env": [{"name": "WHO", "value": "me"}],
    }
    spec = {"terminationGracePeriodSeconds": 1, "restartPolicy": "Never", "containers": [base]}
    body = {"metadata": {"generateName": "sleeper-"}, "spec": spec}
    name = core.create_namespaced_pod(kubernetes.namespace, body).metadata.name
    for _ in range(600):
        if core.read_namespaced_pod(name, kubernetes.namespace).status.phase == "Running":
            break
        time.sleep(0.1)
    else:
        raise TimeoutError(name)
    yield str(name)
    core.delete_namespaced_pod(name, kubernetes.namespace)


def command(kubernetes: Place, name: str, argv: list[str], *, sent: str = "", **options: Any) -> tuple[str, str, int]:
    """Run a command by the client that Airflow uses: its output, its errors, its exit code."""
    wanted = {"stdin": bool(sent), "stdout": True, "stderr": True, "tty": False, "_preload_content": False, **options}
    with kubernetes.api_client() as api:
        call = client.CoreV1Api(api).connect_get_namespaced_pod_exec
        with closing(stream(call, name, kubernetes.namespace, command=argv, **wanted)) as running:
            if sent:
                running.write_stdin(sent)
            running.run_forever(timeout=20)
            running.sock.shutdown()  # the client forgets to, where the server closed first (36.0)
            return running.read_stdout(), running.read_stderr(), running.returncode


def test_a_command_has_output_errors_and_an_exit_code(kubernetes: Place, sleeper: str) -> None:
    told = command(kubernetes, sleeper, ["sh", "-c", "echo out $WHO; echo err >&2; exit 4"])
    assert told == ("out me\n", "err\n", 4)


def test_a_command_reads_what_is_sent(kubernetes: Place, sleeper: str) -> None:
    assert command(kubernetes, sleeper, ["sh"], sent="echo $((20 + 3)); exit\n") == ("23\n", "", 0)


def test_a_command_sees_only_its_containers_processes(kubernetes: Place, sleeper: str) -> None:
    told, _, _ = command(kubernetes, sleeper, ["sh", "-c", "ls -d /proc/[0-9]* | wc -l; cat /proc/1/cmdline"])
    count, first = told.split("\n", 1)
    assert int(count) < 10
    assert first.startswith("sh\0-c\0trap")


def test_a_container_that_is_not_there_runs_no_command(
    stand_in: Cluster, core: client.CoreV1Api, kubernetes: Place, sleeper: str
) -> None:
    """By a plain request: the websocket of the client leaks where it is refused (36.0)."""
    call = core.connect_get_namespaced_pod_exec
    with pytest.raises(ApiException, match="container other is not valid for pod"):
        call(sleeper, kubernetes.namespace, command="true", container="other")


def test_the_asynchronous_client(kubernetes: Place, sleeper: str) -> None:
    """What a triggerer uses."""
    from kubernetes_asyncio import client as async_client
    from kubernetes_asyncio import config as async_config
    from kubernetes_asyncio import watch as async_watch
    from kubernetes_asyncio.stream import WsApiClient

    async def used() -> tuple[str, list[str]]:
        configuration = async_client.Configuration()
        await async_config.load_kube_config(str(kubernetes.kubeconfig), client_configuration=configuration)
        async with WsApiClient(configuration) as sockets:
            call = async_client.CoreV1Api(sockets).connect_get_namespaced_pod_exec
            argv = ["sh", "-c", "echo async"]
            said = await call(sleeper, kubernetes.namespace, command=argv, stdout=True, stderr=True)
        async with async_client.ApiClient(configuration) as api:
            listing = async_client.CoreV1Api(api).list_namespaced_pod
            field = f"metadata.name={sleeper}"
            reading = async_watch.Watch().stream(listing, kubernetes.namespace, field_selector=field, timeout_seconds=1)
            return said, [event["type"] async for event in reading]

    assert asyncio.run(used()) == ("async\n", ["ADDED"])


def test_nothing_is_lost_while_the_server_is_away(stand_in: Cluster, core: client.CoreV1Api, kubernetes: Place) -> None:
    stand_in.go_away()
    threading.Timer(0.5, stand_in.come_back).start()
    seen = 0
    for _ in range(100):
        try:
            core.list_namespaced_secret(kubernetes.namespace, _request_timeout=5)
            break
        except Exception:  # noqa: BLE001 (urllib3 has many names for it)
            seen += 1
            time.sleep(0.1)
    assert seen > 0
