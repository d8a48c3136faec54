"""One start of one container: a process of this machine in namespaces of its own."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cluster_server.container_log import ContainerLog

LAUNCHER = Path(__file__).with_name("launcher.py")
#: Folders that a container sees whatever is mounted above them: the Python that stands for every image.
KEPT = tuple(sorted({os.path.realpath(folder) for folder in (sys.prefix, sys.base_prefix)} | {sys.prefix}))


@cache
def missing_namespaces() -> str | None:
    """Why no container can run on this machine; None where they can."""
    if not sys.platform.startswith("linux") or shutil.which("nsenter") is None:
        return "needs Linux and nsenter (util-linux)"
    with tempfile.TemporaryDirectory() as folder:
        spec = _spec(Path(folder), ["true"], {"PATH": os.defpath}, [], "/", False)
        done = subprocess.run(_argv(str(spec)), capture_output=True, text=True, timeout=60)
        if done.returncode == 0 and not (Path(folder) / "error").exists():
            return None
        why = (Path(folder) / "error").read_text() if (Path(folder) / "error").exists() else done.stderr[-200:]
        return f"needs root or user namespaces, which this machine denies ({why.strip()})"


def _argv(*words: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(LAUNCHER), *words]


def _spec(
    folder: Path,
    argv: Sequence[str],
    env: Mapping[str, str],
    mounts: Sequence[Mapping[str, Any]],
    working_dir: str,
    read_only_root: bool,
) -> Path:
    (folder / "root").mkdir(parents=True, exist_ok=True)
    whole = {
        "argv": list(argv),
        "env": dict(env),
        "mounts": list(mounts),
        "working_dir": working_dir,
        "read_only_root": read_only_root,
        "root": str(folder / "root"),
        "pid_file": str(folder / "pid"),
        "error_file": str(folder / "error"),
        "keep": list(KEPT),
    }
    path = folder / "container.json"
    path.write_text(json.dumps(whole))
    return path


@dataclass
class Running:
    """A container's process and its log."""

    folder: Path
    env: Mapping[str, str]
    log: ContainerLog = field(default_factory=ContainerLog)
    process: asyncio.subprocess.Process | None = None
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, argv: Sequence[str], mounts: Sequence[Mapping[str, Any]], at: str, read_only: bool) -> None:
        """Start it; returns when it runs, or could not."""
        spec = _spec(self.folder, argv, self.env, mounts, at, read_only)
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *_argv(str(spec)), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
        for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
            assert stream is not None
            self._readers.append(asyncio.create_task(self._read(name, stream)))
        while not (self.folder / "pid").exists() and self.process.returncode is None:
            await asyncio.sleep(0.005)

    async def wait(self) -> int:
        """Wait for the end; the exit code, with 128 and the signal's number for a process that was killed."""
        assert self.process is not None
        code = await self.process.wait()
        await asyncio.wait(self._readers, timeout=2)
        for reader in self._readers:
            reader.cancel()
        self.log.close()
        return code if code >= 0 else 128 - code

    @property
    def error(self) -> str | None:
        """Why the command could not be started at all."""
        path = self.folder / "error"
        return path.read_text() if path.exists() else None

    @property
    def pid(self) -> int | None:
        """The container's first process, by its number on this machine."""
        path = self.folder / "pid"
        return int(path.read_text()) if path.exists() else None

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send its first process a signal; SIGKILL ends all of its processes."""
        if self.process is None or self.process.returncode is not None:
            return
        try:
            os.kill(self.pid or self.process.pid, number)
        except ProcessLookupError:
            return

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command that runs another one in the same container."""
        enter = ["nsenter", "--target", str(self.pid), *self._user(), "--mount", "--pid", "--root", "--wd"]
        return _argv("--", *enter, *argv)

    def _user(self) -> list[str]:
        own, theirs = (Path(f"/proc/{pid}/ns/user").readlink() for pid in ("self", self.pid))
        return [] if own == theirs else ["--user", "--preserve-credentials"]

    async def _read(self, name: str, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(65536):
            self.log.write(name, data)
