"""The node's agent: gives every pod a worker, and takes away what is deleted."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cluster_server.container_log import ContainerLog
from cluster_server.deletion import delete
from cluster_server.faults import Faults
from cluster_server.kinds import POD
from cluster_server.pod_worker import OVER, PodWorker
from cluster_server.recorder import Recorder
from cluster_server.store import Store, Thing


@dataclass(frozen=True, slots=True)
class Image:
    """What an image brings: here only its entry point, its command, and its user."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ("python3",)
    user: int = 0


@dataclass
class Kubelet:
    """All nodes' agent."""

    store: Store
    faults: Faults
    recorder: Recorder
    home: Path
    token_of: Callable[[str, str], str]
    #: Images that are more than this machine's Python.
    images: dict[str, Image] = field(default_factory=dict)
    #: Patterns of images that no registry has.
    lost_images: list[str] = field(default_factory=list)
    #: Whether events name the container (`Started container base`), as kubelets before 1.36 do.
    names_containers: bool = False
    #: How containers find the API.
    service_env: dict[str, str] = field(default_factory=dict)
    workers: dict[str, PodWorker] = field(default_factory=dict)
    _ends: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def disks(self) -> Path:
        """Where persistent volumes keep their data."""
        return self.home / "disks"

    def image(self, name: str) -> Image:
        return self.images.get(name, Image())

    async def run(self) -> None:
        """Follow the pods until cancelled; then stop every process."""
        seen = 0
        try:
            while True:
                for change in self.store.since(seen):
                    if change.kind is POD:
                        self._see(change.what, change.thing)
                    seen = change.revision
                await self.store.changed(5.0) if seen == self.store.revision else await asyncio.sleep(0)
        finally:
            for worker in list(self.workers.values()):
                await worker.end(0.0)
            for task in self._ends:
                task.cancel()

    def _see(self, what: str, pod: Thing) -> None:
        uid = pod["metadata"]["uid"]
        worker = self.workers.get(uid)
        if what == "DELETED":
            if worker is not None:
                self._soon(worker, 0.0)
                self.workers.pop(uid)
            return
        if worker is None:
            self.workers[uid] = PodWorker(self, pod)
        elif pod["metadata"].get("deletionTimestamp"):
            self._soon(worker, float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))

    def _soon(self, worker: PodWorker, grace: float) -> None:
        async def ending() -> None:
            if grace and worker.phase not in OVER:
                worker.tell("Killing", f"Stopping container {next(iter(worker.runs))}")
            await worker.end(grace)
            gone = worker.pod
            if gone is not None and not gone["metadata"].get("finalizers"):
                self.store.remove(POD, worker.namespace, worker.name)

        self._ends = [task for task in self._ends if not task.done()]
        self._ends.append(asyncio.create_task(ending()))

    def log(self, uid: str, container: str, *, previous: bool = False) -> ContainerLog | None:
        """The log of a container's last start, or of the one before; None where there is none."""
        worker = self.workers.get(uid)
        logs = worker.runs[container].logs if worker and container in worker.runs else []
        if previous:
            logs = logs[:-1]
        return logs[-1] if logs else None

    def delete(self, namespace: str, name: str) -> None:
        """Delete a pod as somebody else would."""
        with contextlib.suppress(KeyError):
            delete(self.store, POD, self.store.get(POD, namespace, name), {})
