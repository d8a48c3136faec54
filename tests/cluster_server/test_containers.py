"""Containers as a real cluster runs them: signals, sessions, last words, companions, and the words of two kubelets."""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from cluster_server.place import Place
from cluster_server.server import Cluster
from cluster_server.test_streams import command
from kubernetes import client
from urllib3.exceptions import HTTPError

pytestmark = [pytest.mark.cluster, pytest.mark.airflow]
Make = Callable[..., client.V1Pod]
Until = Callable[..., client.V1Pod]
Log = Callable[..., str]
SIGNALS = "grep -E 'SigIgn|SigBlk' /proc/self/status | tr -d '\\n'"
#: The C library keeps these for itself, no program can change them: they are as whoever started the cluster had them.
OF_THE_C_LIBRARY = {32, 33}


def held_back_or_ignored(told: str) -> set[int]:
    """The numbers of the signals in lines of `/proc/self/status`, as `SIGNALS` tells them."""
    masks = [int(mask, 16) for mask in re.findall(r"Sig(?:Blk|Ign):\t([0-9a-f]{16})", told)]
    assert len(masks) == 2, told
    return {number for number in range(1, 65) for mask in masks if mask >> (number - 1) & 1} - OF_THE_C_LIBRARY


@pytest.fixture
def sigint_ignored() -> Iterator[None]:
    """As in what a shell starts in its background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_ignored")
def test_a_container_has_the_systems_own_signals_and_a_session(make_pod: Make, until: Until, log: Log) -> None:
    pod = make_pod(f"{SIGNALS}; echo; cut -d' ' -f6 /proc/1/stat")
    until(pod, "Succeeded")
    signals, session = log(pod).splitlines()
    assert held_back_or_ignored(signals) == set()
    assert session == "1"


@pytest.mark.usefixtures("sigint_ignored")
def test_a_command_in_a_container_has_the_systems_own_signals(
    core: client.CoreV1Api, kubernetes: Place, make_pod: Make, until: Until
) -> None:
    pod = make_pod("sleep 60")
    until(pod, "Running")
    assert held_back_or_ignored(command(kubernetes, pod.metadata.name, ["sh", "-c", SIGNALS])[0]) == set()
    core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace, grace_period_seconds=0)


def test_last_words_have_4096_bytes(make_pod: Make, until: Until) -> None:
    pod = make_pod("for i in $(seq 3000); do printf 'ä'; done > /dev/termination-log")
    ended = until(pod, "Succeeded")
    (status,) = ended.status.container_statuses
    assert status.state.terminated.message == "ä" * 2048


def test_an_injected_container_keeps_its_pod_running(
    stand_in: Cluster, core: client.CoreV1Api, kubernetes: Place, make_pod: Make, until: Until
) -> None:
    proxy = {"name": "linkerd-proxy", "image": kubernetes.shell_image, "command": ["sleep", "60"]}
    stand_in.inject(proxy, "try-*")
    pod = make_pod("exit 0")

    def base_has_ended(seen: client.V1Pod) -> Any:
        statuses = {each.name: each.state for each in seen.status.container_statuses or ()}
        return statuses and statuses["base"].terminated and statuses["linkerd-proxy"].running

    assert until(pod, base_has_ended).status.phase == "Running"
    core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace, grace_period_seconds=0)


@pytest.mark.parametrize(
    ("is_older", "words"), [(False, {"Container started"}), (True, {"Started container base"})], ids=["1.36", "older"]
)
def test_events_have_the_words_of_either_kubelet(
    stand_in: Cluster,
    core: client.CoreV1Api,
    kubernetes: Place,
    make_pod: Make,
    until: Until,
    is_older: bool,
    words: set[str],
) -> None:
    with stand_in.older_kubelet() if is_older else nullcontext():
        pod = make_pod("exit 0")
        until(pod, "Succeeded")
    wanted = f"involvedObject.name={pod.metadata.name},reason=Started"
    events = core.list_namespaced_event(kubernetes.namespace, field_selector=wanted).items
    assert {event.message for event in events} == words


def test_long_requests_are_cut(
    stand_in: Cluster, core: client.CoreV1Api, kubernetes: Place, make_pod: Make, until: Until, log: Log
) -> None:
    pod = make_pod("echo first; sleep 5; echo second")
    until(pod, "Running")
    stand_in.cut_requests(0.5)
    read = core.read_namespaced_pod_log
    answer = read(pod.metadata.name, kubernetes.namespace, follow=True, _preload_content=False)
    with closing(answer), pytest.raises(HTTPError):
        list(answer.stream())
    assert log(pod) == "first\n"
