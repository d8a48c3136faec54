"""dbt in a pod: what the image of the runner `kubernetes_pod` starts, as `python -m dbt_af_k8s.dbt.in_pod ...`.

Needs this library with its base dependencies, dbt and the project in the image; no Airflow. It compares the project's
manifest with the one that the plan was made from, runs dbt as a worker would (from slices where the image has the
compiled plan), writes dbt's lines for people, and ends its output with the answer that the task reads
(`dbt.pod_job`). Exit code: 0 where dbt ended with 0, 1 where it did not, 2 where it was not started.
"""

import hashlib
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbt_af_k8s import __version__
from dbt_af_k8s.dbt.here import Here
from dbt_af_k8s.dbt.log_frames import without_mark
from dbt_af_k8s.dbt.logs import LogLine
from dbt_af_k8s.dbt.maintenance import maintenance_result
from dbt_af_k8s.dbt.pod_job import PodAnswer, PodJob, answer_lines, read_job
from dbt_af_k8s.dbt.slices.store import slices_of_manifest
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.errors import UsageError

_FINE, _FAILED, _NOT_STARTED = 0, 1, 2
#: From the request to stop to the last signal, in seconds. Kubernetes gives a pod 30.
_GRACE_SECONDS = 20.0


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Do one job; the exit code."""
    try:
        answer = _answer(read_job(arguments), environment)
    except ValueError as reason:
        answer = PodAnswer(__version__, refused=f"the image's dbt_af_k8s {__version__} does not know the job: {reason}")
    except UsageError as reason:
        answer = PodAnswer(__version__, refused=str(reason))
    if answer.refused is not None:
        _say(f"ERROR: {answer.refused}")
    for line in answer_lines(answer):
        _say(line)
    if answer.outcome is None:
        return _NOT_STARTED
    return _FINE if answer.outcome.end.exit_code == 0 else _FAILED


def _answer(job: PodJob, environment: Mapping[str, str]) -> PodAnswer:
    project_dir = Path(job.project_dir)
    manifest = project_dir / job.manifest
    refused = other_project(manifest, job.manifest_sha256)
    if refused is not None:
        return PodAnswer(__version__, refused=refused)
    project = DbtProject(
        project_dir,
        None if job.profiles_dir is None else Path(job.profiles_dir),
        slices_of_manifest(manifest.parent, job.manifest_sha256),
    )
    return _run(job, project, environment)


def other_project(manifest: Path, sha256: str) -> str | None:
    """Why the project in the image is not that of the plan; None where it is. Compared are the manifest's bytes."""
    try:
        with manifest.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as reason:
        return (
            f"The image has no manifest at {manifest} ({reason.strerror}): bake the `manifest.json` that Airflow plans "
            "from into it, or correct `project_dir` of the runner."
        )
    if found == sha256:
        return None
    return (
        f"The project in the image is not that of the plan: {manifest} has the SHA-256 {found[:12]}, the plan was made "
        f"from {sha256[:12]}. Give Airflow and the image one and the same `manifest.json`."
    )


def _run(job: PodJob, project: DbtProject, environment: Mapping[str, str]) -> PodAnswer:
    here = Here(job.invocation, project, environment=environment)
    told: list[str] = []

    def see(line: LogLine) -> None:
        if maintenance_result(line.message) is not None:
            told.append(line.message)

    # Process 1 of a pod hears no signal unless it says what it does then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: here.stop(_GRACE_SECONDS))
    outcome = here.run(job.words, on_line=_tell, see=see, timeout=None, may_slice=job.may_slice)
    return PodAnswer(__version__, outcome, told=tuple(told))


def _tell(line: LogLine) -> None:
    """A line of dbt for people; Airflow reads its level from the first word."""
    word = f"{logging.getLevelName(line.level)}: " if line.level >= logging.WARNING else ""
    for text in without_mark(line.message).splitlines():
        _say(f"{word}{text}")


def _say(text: str) -> None:
    """One write for each line, so that no other process gets in between."""
    data = f"{text}\n".encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
