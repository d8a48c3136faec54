"""CPU time and peak memory of whole processes."""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BenchmarkError(Exception):
    """A command of a benchmark failed; the text has its last lines."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a process."""

    #: User and system time of the process and its children, in seconds.
    cpu: float
    #: Peak resident memory of the process, in MB (2**20 bytes).
    peak: float
    #: What it told as JSON on its last line of standard output, where it did.
    told: Mapping[str, Any]


def measured(argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Sample:
    """Run a command to its end. Raises `BenchmarkError` where it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(argv, cwd=cwd, env={**os.environ, **(env or {})}, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        lines = out.read().strip().splitlines()
        if process.returncode:
            err.seek(0)
            raise BenchmarkError("\n".join([" ".join(argv), *lines[-20:], *err.read().splitlines()[-30:]]))
    told = {}
    if lines and lines[-1].startswith("{"):
        told = json.loads(lines[-1])
    return Sample(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, told)


def interleaved(runs: Mapping[str, Callable[[], Sample]], times: int) -> dict[str, list[Sample]]:
    """Each run so many times, in turns, so that a busy minute of the machine meets all of them alike."""
    found: dict[str, list[Sample]] = {name: [] for name in runs}
    for _ in range(times):
        for name, run in runs.items():
            found[name].append(run())
    return found


def median(samples: Sequence[Sample], of: Callable[[Sample], float] = lambda sample: sample.cpu) -> float:
    """The median of one figure of the samples."""
    return statistics.median(of(sample) for sample in samples)
