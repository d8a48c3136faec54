"""The life of one pod on its node: scheduling, volumes, init containers, containers, and every way in which it ends."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_server.container_run import ContainerRun
from cluster_server.kinds import POD
from cluster_server.placing import place
from cluster_server.pod_status import condition, container_status, set_condition, terminated, waiting
from cluster_server.store import Thing, now
from cluster_server.volumes import MountError, make_volumes

if TYPE_CHECKING:
    from cluster_server.kubelet import Kubelet

#: Seconds between two tries of what waits for something.
AGAIN = 0.1
OVER = ("Succeeded", "Failed")


class PodWorker:
    """One pod, from the moment it is stored until it is gone."""

    def __init__(self, kubelet: "Kubelet", pod: Thing) -> None:
        self.kubelet = kubelet
        self.store = kubelet.store
        self.namespace, self.name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self.uid = pod["metadata"]["uid"]
        self.home: Path = kubelet.home / self.uid
        self.volumes: dict[str, Path] = {}
        self.runs = {each["name"]: ContainerRun(self, each, is_init=False) for each in pod["spec"]["containers"]}
        for each in pod["spec"].get("initContainers") or ():
            self.runs[each["name"]] = ContainerRun(self, each, is_init=True)
        self._is_ending, self._ended = False, asyncio.Event()
        self.life = asyncio.create_task(self._guarded(self._live()))
        self.jobs: list[asyncio.Task[None]] = [self.life]

    @property
    def pod(self) -> Thing | None:
        """The pod as it is stored; None when it is gone."""
        found = self.store.find(POD, self.namespace, self.name)
        return found if found is not None and found["metadata"]["uid"] == self.uid else None

    @property
    def phase(self) -> str:
        return str(((self.pod or {}).get("status") or {}).get("phase", ""))

    @property
    def has_waiting(self) -> bool:
        """Whether one of the containers has not begun: such a pod is pending, whatever the others do."""
        return any("waiting" in run.state for run in self.runs.values() if not run.is_init)

    def edit(self, change: Callable[[Thing], None]) -> None:
        """Change the stored status, if the pod is still there."""
        if self.pod is not None:
            self.store.change(POD, self.namespace, self.name, lambda pod: change(pod["status"]))

    def tell(self, reason: str, message: str, *, by: str = "kubelet", warns: bool = False, container: str = "") -> None:
        """Write an event about the pod."""
        if (pod := self.pod) is not None:
            field = f"spec.containers{{{container}}}" if container else ""
            self.kubelet.recorder.tell(pod, reason, message, by=by, warns=warns, field=field)

    def show(self) -> None:
        """Bring the containers' states into the status."""

        def change(status: Thing) -> None:
            for key, is_init in (("initContainerStatuses", True), ("containerStatuses", False)):
                shown = [run for run in self.runs.values() if run.is_init is is_init]
                if shown:
                    status[key] = [container_status(run.spec, run.state, run.restarts, run.last) for run in shown]
            main = [run for run in self.runs.values() if not run.is_init]
            ready = all("running" in run.state for run in main)
            why = "" if ready else ("PodCompleted" if status["phase"] in OVER else "ContainersNotReady")
            for kind in ("ContainersReady", "Ready"):
                set_condition(status, condition(kind, ready, why))

        self.edit(change)

    # --- the way of a pod that nothing happens to ---

    async def _live(self) -> None:
        await self._scheduled()
        await self._mounted()
        deadline = ((self.pod or {}).get("spec") or {}).get("activeDeadlineSeconds")
        if deadline:
            self._beside(self._end_at_deadline(deadline))
        sidecars = []
        for run in [each for each in self.runs.values() if each.is_init]:
            if run.spec.get("restartPolicy") == "Always":
                sidecars.append(asyncio.create_task(run.live("Always")))
                await run.started.wait()
            elif await run.live(self._policy) != 0:
                self._finish("Failed")
                return
        self.edit(lambda status: set_condition(status, condition("Initialized", True)))
        self._beside(self._trouble())
        main = [each for each in self.runs.values() if not each.is_init]
        codes = await asyncio.gather(*(run.live(self._policy) for run in main))
        for run in reversed([each for each in self.runs.values() if each.is_init]):
            await run.end(1.0)
        for task in sidecars:
            task.cancel()
        self._finish("Failed" if any(codes) else "Succeeded")

    @property
    def _policy(self) -> str:
        return str(((self.pod or {}).get("spec") or {}).get("restartPolicy", "Never"))

    async def _scheduled(self) -> None:
        fault_of = self.kubelet.faults.of_pod
        while (pod := self.pod) is not None:
            fault = fault_of(pod, "unschedulable")
            node, why = (None, "") if fault else place(self.store, pod)
            if node is not None:
                break
            why = (fault.message if fault else "") or why or "0/1 nodes are available: 1 Insufficient cpu."
            made = condition("PodScheduled", False, "Unschedulable", why)
            self.edit(lambda status, made=made: set_condition(status, made))
            self.tell("FailedScheduling", why, by="default-scheduler", warns=True)
            await asyncio.sleep(AGAIN)
        else:
            return

        def bind(pod: Thing) -> None:
            pod["spec"]["nodeName"] = node
            status = pod["status"]
            status |= {"startTime": now(), "hostIP": "127.0.0.1", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
            for kind in ("PodScheduled", "PodReadyToStartContainers"):
                set_condition(status, condition(kind, True))
            no_init = not any(run.is_init for run in self.runs.values())
            set_condition(status, condition("Initialized", no_init, "" if no_init else "ContainersNotInitialized"))

        self.store.change(POD, self.namespace, self.name, bind)
        where = f"{self.namespace}/{self.name}"
        self.tell("Scheduled", f"Successfully assigned {where} to {node}", by="default-scheduler")
        first = "PodInitializing" if any(run.is_init for run in self.runs.values()) else "ContainerCreating"
        for run in self.runs.values():
            run.state = waiting(first)
        self.show()

    async def _mounted(self) -> None:
        while (pod := self.pod) is not None:
            fault = self.kubelet.faults.of_pod(pod, "slow_start")
            if fault is not None:
                await asyncio.sleep(fault.seconds or AGAIN)
                fault.seconds = fault.seconds and 0
                if not fault.is_over and fault.seconds is None:
                    continue
            try:
                self.volumes = make_volumes(self.store, pod, self.home, self.kubelet.disks, self.kubelet.token_of)
            except MountError as problem:
                names = [volume["name"] for volume in pod["spec"].get("volumes") or ()]
                told = f'MountVolume.SetUp failed for volume "{names[0]}" : {problem}'
                self.tell("FailedMount", told, warns=True)
                await asyncio.sleep(AGAIN)
            else:
                return

    def _finish(self, phase: str, reason: str = "", message: str = "") -> None:
        def change(status: Thing) -> None:
            status["phase"] = phase
            if reason:
                status |= {"reason": reason, "message": message}

        self.edit(change)
        self.show()

    # --- what may happen to it ---

    async def end(self, grace: float, *, phase: str = "", reason: str = "", message: str = "") -> None:
        """Stop everything; SIGTERM first, SIGKILL after `grace` seconds. With a phase the pod stays, in that phase."""
        if self._is_ending:
            if grace == 0:
                for run in self.runs.values():
                    run.signal(signal.SIGKILL)
            await self._ended.wait()
            return
        self._is_ending = True
        self.life.cancel()
        try:
            await asyncio.gather(*(run.end(grace) for run in self.runs.values()))
            if phase and self.phase not in OVER:
                self._finish(phase, reason, message)
        finally:
            for task in self.jobs:
                if task is not asyncio.current_task():
                    task.cancel()
            self._ended.set()

    async def _end_at_deadline(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.phase not in OVER:
            told = "Pod was active on the node longer than the specified deadline"
            self.tell("DeadlineExceeded", told)
            await self.end(1.0, phase="Failed", reason="DeadlineExceeded", message=told)

    async def _trouble(self) -> None:
        """Wait for the moment of a fault that meets running pods, and let it happen."""
        happenings = {
            "oom": self._out_of_memory,
            "killed": self._killed,
            "evicted": self._evicted,
            "node_lost": self._node_lost,
            "deleted": self._deleted,
        }
        while self.phase not in OVER:
            pod = self.pod
            fault = self.kubelet.faults.of_pod(pod, *happenings) if pod else None
            run = self.runs.get(fault.container) if fault else None
            if fault and run and run.is_running and (fault.on_line is None or run.wrote(fault.on_line)):
                if fault.seconds:
                    await asyncio.sleep(fault.seconds)
                await happenings[fault.what](run, fault.message)
                return
            await asyncio.sleep(AGAIN / 2)

    async def _out_of_memory(self, run: ContainerRun, message: str) -> None:
        run.reason = "OOMKilled"
        run.signal(signal.SIGKILL)

    async def _killed(self, run: ContainerRun, message: str) -> None:
        run.signal(signal.SIGKILL)

    async def _evicted(self, run: ContainerRun, message: str) -> None:
        told = message or "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51Mi. "
        self.tell("Evicted", told, warns=True)
        made = condition("DisruptionTarget", True, "TerminationByKubelet", told)
        self.edit(lambda status: set_condition(status, made))
        await self.end(0.1, phase="Failed", reason="Evicted", message=told)

    async def _node_lost(self, run: ContainerRun, message: str) -> None:
        """The kubelet is heard of no more: the pod is given up, marked as failed, and collected a moment later."""
        told = message or "Taint manager: deleting due to NoExecute taint"
        self.tell("NodeNotReady", "Node is not ready", by="node-controller", warns=True)
        made = condition("DisruptionTarget", True, "DeletionByTaintManager", told)
        self.edit(lambda status: set_condition(status, made))
        for each in self.runs.values():
            each.is_silent = True
        await self.end(0.0)

        def lost(status: Thing) -> None:
            status |= {
                "phase": "Failed",
                "reason": "NodeLost",
                "message": "Node which was running the pod is unresponsive",
            }
            set_condition(status, condition("Ready", False, "NodeNotReady"))

        self.edit(lost)
        await asyncio.sleep(0.3)
        self.store.remove(POD, self.namespace, self.name)

    async def _deleted(self, run: ContainerRun, message: str) -> None:
        self.kubelet.delete(self.namespace, self.name)

    async def _guarded(self, work: Awaitable[None]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await work

    def _beside(self, work: Awaitable[None]) -> None:
        self.jobs.append(asyncio.create_task(self._guarded(work)))

    def mounts(self, container: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Where this machine's folders go in a container."""
        for mount in container.get("volumeMounts") or ():
            source = self.volumes[mount["name"]]
            if mount.get("subPath"):
                source = source / mount["subPath"]
                source.parent.mkdir(parents=True, exist_ok=True)
                if not source.exists():
                    source.mkdir()
            path = "/" + mount["mountPath"].strip("/")
            yield {"path": path, "source": str(source.resolve()), "read_only": bool(mount.get("readOnly"))}

    def ended_state(self, run: ContainerRun, code: int, started: str | None) -> Thing:
        """How a container that ended is told."""
        reason = run.reason or ("Completed" if code == 0 else "Error")
        return terminated(code, reason, started, run.last_words(code))
