"""Logs of pods, and commands in their containers."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import WSMsgType, web
from cluster_server.answers import Refused
from cluster_server.asked import Asked
from cluster_server.container_log import ContainerLog, Wanted
from cluster_server.faults import LogFault
from cluster_server.kinds import POD
from cluster_server.kubelet import Kubelet
from cluster_server.store import Store, Thing

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255


def chosen_container(pod: Mapping[str, Any], name: str | None, *, what: str) -> str:
    """The container that a request means. 400 where it is not clear, or not there."""
    names = [each["name"] for key in ("containers", "initContainers") for each in pod["spec"].get(key) or ()]
    main = [each["name"] for each in pod["spec"]["containers"]]
    if not name:
        default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
        if len(main) > 1 and default is None:
            told = f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: "
            raise Refused(400, f"{told}[{' '.join(names)}]")
        return default or main[0]
    if name not in names:
        raise Refused(400, f"container {name} is not valid for pod {pod['metadata']['name']}")
    return name


def _state(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    status = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses"):
        for each in status.get(key) or ():
            if each["name"] == container:
                return dict(each["state"])
    return {}


async def send_log(store: Store, kubelet: Kubelet, asked: Asked, request: web.Request) -> web.StreamResponse:
    """A container's log. 400 while the container waits."""
    pod = store.get(POD, asked.namespace or "", asked.name)
    container = chosen_container(pod, asked.query.get("container"), what="log")
    previous = asked.says("previous")
    log = kubelet.log(pod["metadata"]["uid"], container, previous=previous)
    if log is None:
        if previous:
            told = f'previous terminated container "{container}" in pod "{asked.name}" not found'
            raise Refused(400, told)
        reason = (_state(pod, container).get("waiting") or {}).get("reason", "ContainerCreating")
        raise Refused(400, f'container "{container}" in pod "{asked.name}" is waiting to start: {reason}')
    wanted = wanted_of(asked)
    fault = kubelet.faults.of_log(asked.name, container)
    if fault is not None and fault.repeat and wanted.since is not None:
        wanted = _earlier(log, wanted, fault.repeat)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await _write(response, request, log, wanted, fault)
    await response.write_eof()
    return response


async def _write(
    response: web.StreamResponse, request: web.Request, log: ContainerLog, wanted: Wanted, fault: LogFault | None
) -> None:
    sent = 0
    async for entry in log.read(wanted):
        if fault is not None and fault.break_after is not None and sent >= fault.break_after:
            await response.write(entry[: len(entry) // 2])
            await asyncio.sleep(0.05)
            if request.transport is not None:
                request.transport.abort()
            return
        await response.write(entry)
        sent += 1


def _earlier(log: ContainerLog, wanted: Wanted, count: int) -> Wanted:
    """The same from some entries before its time."""
    older = [line.at for line in log.lines if wanted.since is None or line.at < wanted.since]
    since = older[-count] if len(older) >= count else None
    return Wanted(wanted.follow, wanted.timestamps, since, wanted.tail, wanted.limit_bytes)


def wanted_of(asked: Asked) -> Wanted:
    """The options of a request for a log. 400 for numbers that are none."""
    query = asked.query
    try:
        since = None
        if query.get("sinceSeconds"):
            since = time.time_ns() - int(query["sinceSeconds"]) * 1_000_000_000
        elif query.get("sinceTime"):
            since = int(datetime.fromisoformat(query["sinceTime"]).timestamp() * 1_000_000) * 1000
        tail = int(query["tailLines"]) if query.get("tailLines") else None
        limit = int(query["limitBytes"]) if query.get("limitBytes") else None
    except ValueError as problem:
        raise Refused(400, f"invalid log options: {problem}") from None
    return Wanted(asked.says("follow"), asked.says("timestamps"), since, tail, limit)


async def run_command(store: Store, kubelet: Kubelet, asked: Asked, request: web.Request) -> web.StreamResponse:
    """A command in a running container over a websocket of channels, in the protocols v4 and v5."""
    pod = store.get(POD, asked.namespace or "", asked.name)
    container = chosen_container(pod, asked.query.get("container"), what="exec")
    argv = request.query.getall("command", [])
    if not argv:
        raise Refused(400, "you must specify at least 1 command for the container")
    worker = kubelet.workers.get(pod["metadata"]["uid"])
    run = worker.runs[container] if worker else None
    if run is None or not run.is_running or run.current is None or run.current.pid is None:
        raise Refused(500, f'unable to upgrade connection: container not found ("{container}")')
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
    if not socket.can_prepare(request):
        raise Refused(400, "Upgrade request required")
    await socket.prepare(request)
    pipe = asyncio.subprocess.PIPE
    takes_input = asked.says("stdin")
    process = await asyncio.create_subprocess_exec(
        *run.current.inside(argv),
        stdin=pipe if takes_input else asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT if asked.says("tty") else pipe,
        env=dict(run.current.env),
        start_new_session=True,
    )
    sends = [_send(socket, _STDOUT, process.stdout), _send(socket, _STDERR, process.stderr)]
    senders = [asyncio.create_task(each) for each in sends]
    receiver = asyncio.create_task(_receive(socket, process))
    try:
        await process.wait()
        await asyncio.wait(senders, timeout=2)
        await socket.send_bytes(bytes([_ERROR]) + _verdict(process.returncode or 0))
        await socket.close()
    except ConnectionError:
        process.kill()
    finally:
        if process.returncode is None:
            process.kill()
        for task in (*senders, receiver):
            task.cancel()
    return socket


async def _send(socket: web.WebSocketResponse, channel: int, stream: asyncio.StreamReader | None) -> None:
    while stream is not None and (data := await stream.read(32768)):
        await socket.send_bytes(bytes([channel]) + data)


async def _receive(socket: web.WebSocketResponse, process: asyncio.subprocess.Process) -> None:
    async for message in socket:
        data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
        if process.stdin is None or not data:
            continue
        if data[0] == _STDIN:
            process.stdin.write(data[1:])
        elif data[0] == _CLOSE and data[1:] == bytes([_STDIN]):
            process.stdin.close()
    if process.returncode is None:
        process.kill()


def _verdict(code: int) -> bytes:
    """What stands in the error channel at the end."""
    import json

    if code == 0:
        return json.dumps({"metadata": {}, "status": "Success"}).encode()
    shown = code if code > 0 else 128 - code
    status: Thing = {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {shown}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(shown)}]},
    }
    return json.dumps(status).encode()
