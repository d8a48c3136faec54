"""A stand-in of a Kubernetes cluster on this machine, for tests: the API over HTTP, and containers as processes.

    with cluster() as kubernetes:
        kubernetes.kubeconfig  # a file for any client

What is like a real cluster: resource versions, conflicts, selectors, watches, patches, admission by the published
schemas, RBAC, events, logs, exec, graceful deletion, owners, jobs, quotas. What is not:
- Every image is this machine's Python and its programs; nothing is pulled. A container sees this machine's files, its
  volumes at their paths, and its own processes. It runs as the user of the tests whatever `runAsUser` says.
- Limits of memory and processor are not enforced, probes, ports, affinity between pods, services and DNS not looked at.
- Strictness is stricter: an unknown field is refused and not dropped with a warning.
- Times are short: back-offs take fractions of a second, bookmarks come each second.
"""

import asyncio
import socket
import tempfile
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from aiohttp import web
from cluster_server.access import Access
from cluster_server.certificate import Certificate, make_certificate
from cluster_server.claims import bind_claims, count_quotas
from cluster_server.deletion import GarbageCollector
from cluster_server.discovery import VERSION
from cluster_server.faults import Faults, LogFault, PodFault, RequestFault
from cluster_server.http_api import Api
from cluster_server.job_controller import JobController
from cluster_server.kinds import ACCOUNT, NAMESPACE, NODE, POD, STORAGE_CLASS, Kind
from cluster_server.kubelet import Image, Kubelet
from cluster_server.objects_api import SlowDeletion
from cluster_server.recorder import Recorder
from cluster_server.store import Store, Thing

Result = TypeVar("Result")
NODE_NAME = "stand-in"


@dataclass
class Cluster:
    """The running stand-in, as a test sees it. All methods may be called from the test's thread."""

    home: Path
    loop: asyncio.AbstractEventLoop
    store: Store
    faults: Faults
    access: Access
    kubelet: Kubelet
    api: Api
    #: None: plain HTTP.
    certificate: Certificate | None
    port: int = 0
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """A file that makes any client an administrator of this cluster, in the namespace `default`."""
        return self.write_kubeconfig(self.access.admin_token, "admin")

    def account_kubeconfig(self, namespace: str, account: str) -> Path:
        """The same as a service account, which may do what roles bind to it."""
        token = self.do(lambda: self.access.token_of(namespace, account))
        return self.write_kubeconfig(token, f"{namespace}-{account}", namespace)

    def write_kubeconfig(self, token: str, name: str, namespace: str = "default") -> Path:
        """Write the file for a token."""
        path = self.home / f"{name}.kubeconfig"
        server = {"server": self.url}
        if self.certificate is not None:
            server["certificate-authority-data"] = b64encode(self.certificate.certificate.read_bytes()).decode()
        context = {"cluster": "stand-in", "user": name, "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "stand-in", "cluster": server}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "stand-in", "context": context}],
            "current-context": "stand-in",
        }
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path

    def do(self, work: Callable[[], Result]) -> Result:
        """Call something in the server's thread, and wait for it."""

        async def inside() -> Result:
            return work()

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(30)

    def fail_requests(self, fault: RequestFault) -> RequestFault:
        """Let requests go wrong."""
        self.do(lambda: self.faults.requests.append(fault))
        return fault

    def fail_logs(self, fault: LogFault) -> LogFault:
        """Let log streams go wrong."""
        self.do(lambda: self.faults.logs.append(fault))
        return fault

    def fail_pods(self, fault: PodFault) -> PodFault:
        """Let pods get into trouble."""
        self.do(lambda: self.faults.pods.append(fault))
        return fault

    def cut_requests(self, after: float) -> None:
        """Cut every request after so many seconds, until the faults are cleared."""

        def work() -> None:
            self.faults.longest_request = after

        self.do(work)

    def inject(self, container: Thing, pod: str = "*") -> None:
        """Add a container to new pods of such names, as a mesh's webhook does, until faults are cleared."""
        self.do(lambda: self.store.injected.append((pod, container)))

    def lose_image(self, pattern: str) -> None:
        """Let no registry have images of such names, until faults are cleared."""
        self.do(lambda: self.kubelet.lost_images.append(pattern))

    def slow_deletion(self, slow: SlowDeletion) -> None:
        """Let such objects stay for a while after they are deleted, until faults are cleared."""
        self.do(lambda: self.api.objects.slow.append(slow))

    @contextmanager
    def older_kubelet(self) -> Iterator[None]:
        """Events in the words of kubelets before 1.36."""
        self.kubelet.names_containers = True
        try:
            yield
        finally:
            self.kubelet.names_containers = False

    def clear_faults(self) -> None:
        """From now on everything goes well, and nothing is injected."""

        def work() -> None:
            self.faults.clear()
            self.store.injected.clear()
            self.api.objects.slow.clear()
            self.kubelet.lost_images.clear()

        self.do(work)

    def all(self, kind: Kind, namespace: str | None = None) -> list[Thing]:
        """The objects of a kind as they are now."""
        return self.do(lambda: list(self.store.all(kind, namespace)))

    def pods_ever(self, namespace: str = "default", name: str = "") -> list[str]:
        """Names of all pods that were ever made in a namespace whose name begins so, in their order."""
        history = self.do(lambda: list(self.store.history))
        made = [change.thing["metadata"] for change in history if change.kind is POD and change.what == "ADDED"]
        return [each["name"] for each in made if each["namespace"] == namespace and each["name"].startswith(name)]

    def sent_pod(self, name: str) -> Thing:
        """The last pod that a client has sent whose name begins so, before the server filled it in."""

        def work() -> Thing:
            sent = reversed(self.api.objects.sent_pods)
            return next(pod for pod in sent if pod["metadata"].get("name", "").startswith(name))

        return self.do(work)

    def label_node(self, labels: dict[str, str]) -> None:
        """Give the only node labels, for node selectors."""

        def change(node: Thing) -> None:
            node["metadata"].setdefault("labels", {}).update(labels)

        self.do(lambda: self.store.change(NODE, "", NODE_NAME, change))

    def set_image(self, name: str, image: Image) -> None:
        """Say what an image brings."""
        self.do(lambda: self.kubelet.images.update({name: image}))

    def clean(self) -> None:
        """Take away all pods, jobs and other objects of the namespace `default`, and all faults."""

        def work() -> None:
            self.faults.clear()
            for kind, things in list(self.store.things.items()):
                for namespace, name in list(things):
                    if namespace == "default" and (kind, name) != (ACCOUNT, "default"):
                        self.store.remove(kind, namespace, name)

        self.do(work)

    def go_away(self) -> None:
        """Refuse connections, and end those there are, until `come_back`."""

        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(30)

    def come_back(self) -> None:
        """Listen again, on the same port."""
        asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result(30)

    async def _hang_up(self) -> None:
        assert self._site is not None
        await self._site.stop()
        assert self._runner is not None
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        # Aborted sockets are closed a round later, those under TLS two.
        for _ in range(5):
            await asyncio.sleep(0.01)

    async def _listen(self) -> None:
        assert self._runner is not None
        context = self.certificate.context() if self.certificate is not None else None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=context)
        await self._site.start()

    async def start(self, recorder: Recorder) -> None:
        """Listen, and start the controllers."""
        self._runner = web.AppRunner(self.api.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()
        workers = (
            self.kubelet.run(),
            GarbageCollector(self.store).run(),
            JobController(self.store, recorder).run(),
            bind_claims(self.store, recorder),
            count_quotas(self.store),
        )
        self._tasks = [asyncio.create_task(each) for each in workers]

    async def stop(self) -> None:
        """End every process, then the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hang_up()
        assert self._runner is not None
        await self._runner.cleanup()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _furnish(store: Store) -> None:
    """What a fresh cluster has: namespaces with their account, a node, a storage class."""
    for name in ("default", "kube-system"):
        store.create(NAMESPACE, {"metadata": {"name": name}, "status": {"phase": "Active"}})
        store.create(ACCOUNT, {"metadata": {"name": "default", "namespace": name}})
    room = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    info = {"kubeletVersion": VERSION["gitVersion"], "operatingSystem": "linux", "architecture": "amd64"}
    labels = {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    status: dict[str, Any] = {"allocatable": room, "capacity": room, "conditions": [ready], "nodeInfo": info}
    store.create(NODE, {"metadata": {"name": NODE_NAME, "labels": labels}, "spec": {}, "status": status})
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    storage = {"metadata": {"name": "standard", "annotations": annotations}, "provisioner": "stand-in"}
    store.create(STORAGE_CLASS, {**storage, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def cluster(*, with_tls: bool = True) -> Iterator[Cluster]:
    """Run a cluster until the block ends; nothing of it is left then."""
    with tempfile.TemporaryDirectory(prefix="dbt-af-k8s-cluster-", ignore_cleanup_errors=True) as folder:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="cluster")
        thread.start()
        made: list[Cluster] = []

        async def begin() -> None:
            home = Path(folder)
            store, faults = Store(), Faults()
            _furnish(store)
            access, recorder = Access(store), Recorder(store)
            kubelet = Kubelet(store, faults, recorder, home / "node", access.token_of)
            api = Api(store, access, kubelet, faults)
            certificate = make_certificate(home) if with_tls else None
            running = Cluster(home, loop, store, faults, access, kubelet, api, certificate, _free_port())
            kubelet.service_env |= {
                "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT": str(running.port),
            }
            made.append(running)
            await running.start(recorder)

        try:
            asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
            yield made[0]
        finally:
            try:
                if made:
                    asyncio.run_coroutine_threadsafe(made[0].stop(), loop).result(30)
            finally:
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                loop.close()
