"""A container of a pod over all of its starts: image, environment, process, restarts, log."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_server.container import Running
from cluster_server.container_log import ContainerLog
from cluster_server.environment import ConfigError, container_env, expanded, image_env
from cluster_server.pod_status import running, waiting

if TYPE_CHECKING:
    from cluster_server.pod_worker import PodWorker

#: Seconds before the first restart; each next waits twice as long (Kubernetes: 10).
BACK_OFF = 0.2
#: Most bytes of a termination message.
_LONGEST_MESSAGE = 4096


class ContainerRun:
    """One container."""

    def __init__(self, worker: "PodWorker", spec: Mapping[str, Any], *, is_init: bool) -> None:
        self.worker = worker
        self.spec = spec
        self.is_init = is_init
        self.state: Mapping[str, Any] = waiting("ContainerCreating")
        self.last: Mapping[str, Any] = {}
        self.restarts = 0
        #: Reason of the end, where it is neither `Completed` nor `Error`.
        self.reason = ""
        #: Nothing is told of it any more: its node is lost.
        self.is_silent = False
        self.logs: list[ContainerLog] = []
        self.current: Running | None = None
        self.started = asyncio.Event()
        self._is_over = asyncio.Event()

    @property
    def is_running(self) -> bool:
        return "running" in self.state

    def wrote(self, text: str) -> bool:
        """Whether a line of its log has this text."""
        return bool(self.logs) and any(text.encode() in line.text for line in self.logs[-1].lines)

    def signal(self, number: int) -> None:
        """Send its first process a signal."""
        if self.current is not None:
            self.current.stop(number)

    async def live(self, policy: str) -> int:
        """Start it, and again as the policy says; the exit code of the last end."""
        while True:
            code = await self._once()
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                self._is_over.set()
                return code
            self.last = self.state
            wait = min(BACK_OFF * 2**self.restarts, 5.0)
            name = self.spec["name"]
            told = f"back-off {wait:g}s restarting failed container={name} pod={self.worker.name}"
            self.state = waiting("CrashLoopBackOff", told)
            self.worker.show()
            self.worker.tell("BackOff", f"Back-off restarting failed container {name}", warns=True, container=name)
            await asyncio.sleep(wait)
            self.restarts += 1
            self.reason = ""

    async def end(self, grace: float) -> None:
        """Stop it: SIGTERM, and SIGKILL after `grace` seconds."""
        process = self.current.process if self.current is not None else None
        if self.current is None or process is None or "terminated" in self.state:
            return
        if grace > 0:
            self.current.stop(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await process.wait()
        self.current.stop(signal.SIGKILL)
        code = await self.current.wait()
        self._ended(code)

    async def _once(self) -> int:
        await self._pulled()
        folder = self.worker.home / self.spec["name"] / str(self.restarts)
        folder.mkdir(parents=True)
        env = await self._environment(folder)
        image = self.worker.kubelet.image(self.spec["image"])
        command = [expanded(part, env) for part in self.spec.get("command") or ()]
        arguments = [expanded(part, env) for part in self.spec.get("args") or ()]
        argv = [*(command or image.entrypoint), *(arguments or (() if command else image.cmd))]
        self.current = Running(folder, {**image_env(Path("/root")), **self.worker.kubelet.service_env, **env})
        self.logs.append(self.current.log)
        is_named = self.worker.kubelet.names_containers
        self._tell("Created", f"Created container: {self.spec['name']}" if is_named else "Container created")
        words = folder / "termination"
        words.touch()
        path = self.spec.get("terminationMessagePath") or "/dev/termination-log"
        mounts = [*self.worker.mounts(self.spec), {"path": path, "source": str(words), "read_only": False}]
        read_only = (self.spec.get("securityContext") or {}).get("readOnlyRootFilesystem") is True
        await self.current.start(argv, mounts, self.spec.get("workingDir") or "/", read_only)
        self.state = running()
        self.started.set()

        def in_phase(status: dict[str, Any]) -> None:
            if not self.is_init and status["phase"] == "Pending" and not self.worker.has_waiting:
                status["phase"] = "Running"

        self._tell("Started", f"Started container {self.spec['name']}" if is_named else "Container started")
        self.worker.edit(in_phase)
        self.worker.show()
        code = await self.current.wait()
        if self.current.error is not None:
            code, self.reason = 128, "StartError"
            self._tell("Failed", f"Error: failed to create containerd task: {self.current.error}", warns=True)
        self._ended(code)
        return code

    def _ended(self, code: int) -> None:
        if self.is_silent or "terminated" in self.state:
            return
        started = (self.state.get("running") or {}).get("startedAt")
        self.state = self.worker.ended_state(self, code, started)
        self.worker.show()
        assert self.current is not None
        shutil.rmtree(self.current.folder / "root", ignore_errors=True)

    def last_words(self, code: int) -> str:
        """The termination message: the container's own file, or the end of its log where the pod says so."""
        assert self.current is not None
        if self.current.error is not None:
            return f"failed to create containerd task: {self.current.error}"
        written = self.current.folder / "termination"
        text = written.read_bytes()[:_LONGEST_MESSAGE].decode(errors="replace") if written.exists() else ""
        if not text and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            text = b"".join(line.text for line in self.current.log.lines[-80:]).decode(errors="replace")[-2048:]
        return text

    async def _pulled(self) -> None:
        """Get the image; with the fault `image_pull` it never comes while the fault lasts."""
        image = self.spec["image"]
        self._tell("Pulling", f'Pulling image "{image}"')
        tries = 0
        while (pod := self.worker.pod) is not None:
            fault = self.worker.kubelet.faults.of_pod(pod, "image_pull")
            if fault is not None and fault.container != self.spec["name"]:
                fault = None
            is_there = not any(fnmatchcase(image, pattern) for pattern in self.worker.kubelet.lost_images)
            if fault is None and is_there:
                self._tell("Pulled", f'Successfully pulled image "{image}" in 5ms (5ms including waiting).')
                return
            told = (
                fault.message if fault else ""
            ) or f'failed to pull and unpack image "{image}": failed to resolve reference: not found'
            self._tell("Failed", f'Failed to pull image "{image}": {told}', warns=True)
            self._tell("Failed", "Error: ErrImagePull" if tries == 0 else "Error: ImagePullBackOff", warns=True)
            if tries:
                self._tell("BackOff", f'Back-off pulling image "{image}"', warns=True)
            back_off = f'Back-off pulling image "{image}": ErrImagePull: {told}'
            self.state = waiting("ErrImagePull", told) if tries == 0 else waiting("ImagePullBackOff", back_off)
            self.worker.show()
            tries += 1
            await asyncio.sleep(0.3)

    async def _environment(self, folder: Path) -> dict[str, str]:
        """The pod's variables; waits while one of them refers to nothing, as a kubelet does."""
        while True:
            pod = self.worker.pod
            try:
                if pod is None:
                    return {}
                self._check_user(pod)
                return container_env(self.worker.store, pod, self.spec)
            except ConfigError as problem:
                self.state = waiting("CreateContainerConfigError", str(problem))
                self.worker.show()
                self._tell("Failed", f"Error: {problem}", warns=True)
                await asyncio.sleep(0.2)

    def _check_user(self, pod: Mapping[str, Any]) -> None:
        whole = {**(pod["spec"].get("securityContext") or {}), **(self.spec.get("securityContext") or {})}
        user = whole.get("runAsUser", self.worker.kubelet.image(self.spec["image"]).user)
        if whole.get("runAsNonRoot") and user == 0:
            where = f'(pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}", container: {self.spec["name"]})'
            raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")

    def _tell(self, reason: str, message: str, *, warns: bool = False) -> None:
        self.worker.tell(reason, message, warns=warns, container=self.spec["name"])
