"""Clients of the cluster, and pods to try it with."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from cluster_server.place import Place
from kubernetes import client

Make = Callable[..., client.V1Pod]


@pytest.fixture(scope="session")
def api(kubernetes: Place) -> Iterator[client.ApiClient]:
    with kubernetes.api_client() as made:
        yield made


@pytest.fixture(scope="session")
def core(api: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(api)


@pytest.fixture(scope="session")
def batch(api: client.ApiClient) -> client.BatchV1Api:
    return client.BatchV1Api(api)


@pytest.fixture
def make_pod(core: client.CoreV1Api, kubernetes: Place) -> Make:
    """Make a pod with one container, `base`, that runs a shell script."""

    def make(script: str, *, container: dict[str, Any] | None = None, labels: Any = None, **spec: Any) -> client.V1Pod:
        base = {"name": "base", "image": kubernetes.shell_image, "command": ["sh", "-c", script], **(container or {})}
        whole = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": [base], **spec}
        metadata = {"generateName": "try-", "labels": labels or {}}
        return core.create_namespaced_pod(kubernetes.namespace, {"metadata": metadata, "spec": whole})

    return make


@pytest.fixture
def until(core: client.CoreV1Api, kubernetes: Place) -> Callable[..., client.V1Pod]:
    """Wait until a pod is as wanted, and hand it over."""

    def wait(pod: client.V1Pod, wanted: Callable[[client.V1Pod], Any] | str, seconds: float = 60) -> client.V1Pod:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            seen = core.read_namespaced_pod(pod.metadata.name, kubernetes.namespace)
            if seen.status.phase == wanted if isinstance(wanted, str) else wanted(seen):
                return seen
            time.sleep(0.05)
        raise TimeoutError(f"{pod.metadata.name}: {seen.status}")

    return wait


@pytest.fixture
def log(core: client.CoreV1Api, kubernetes: Place) -> Callable[..., str]:
    """Read a pod's log; `options` are those of `read_namespaced_pod_log`."""

    def read(pod: client.V1Pod, **options: Any) -> str:
        name, call = pod.metadata.name, core.read_namespaced_pod_log
        return str(call(name, kubernetes.namespace, _preload_content=False, **options).data.decode())

    return read
