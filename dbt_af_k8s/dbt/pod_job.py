"""What dbt in a pod is told, and what it answers: arguments in, framed lines of the log out (`log_frames`). Pure."""

import base64
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from dbt_af_k8s.dbt.log_frames import CHUNK, Frames, frames
from dbt_af_k8s.dbt.place import Outcome
from dbt_af_k8s.dbt.results import NodeResult
from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection

#: Most letters of a whole answer; a larger one loses dbt's messages, first in part.
LARGEST_ANSWER = 512 * 1024
#: Letters of dbt's message that are kept of each node, as much as a verdict shows, and what is tried where all is
#: too large.
_MESSAGE_LETTERS = (2000, 200, 0)
#: Lines of the end of a log that hold a whole answer, and room for what other processes write meanwhile.
ANSWER_LINES = 2 * (LARGEST_ANSWER // CHUNK) + 100


@dataclass(frozen=True, slots=True)
class PodJob:
    """One dbt process in a pod. Paths are those of the image."""

    #: What dbt is told, as `dbt.command` has it, and the invocation behind it.
    words: tuple[str, ...]
    invocation: DbtInvocation
    #: Whether the words name the invocation's nodes exactly, so that slices of the manifest do.
    may_slice: bool
    project_dir: str
    #: The manifest, relative to the project or absolute, and the SHA-256 (hex) of the one that the plan was made from.
    manifest: str
    manifest_sha256: str
    profiles_dir: str | None = None


@dataclass(frozen=True, slots=True)
class PodAnswer:
    """What came of it: what dbt left, or why it was not started."""

    #: Version of this library in the image.
    made_by: str
    outcome: Outcome | None = None
    refused: str | None = None
    #: What the macros of an operation said of themselves: whole messages of the log.
    told: tuple[str, ...] = ()


def job_arguments(job: PodJob) -> tuple[str, ...]:
    """The job as arguments of a program: the number of dbt's words, the job without them, the words, and the nodes.

    Each word and node is an argument of its own, so that none grows too long.
    """
    alone = replace(job, words=(), invocation=replace(job.invocation, nodes=()))
    nodes = (_json(node) for node in job.invocation.nodes)
    return (str(len(job.words)), _json(alone), *job.words, *nodes)


def read_job(arguments: Sequence[str]) -> PodJob:
    """The job of these arguments. ValueError where they are none."""
    if len(arguments) < 2:
        raise ValueError("no job is given")
    first = 2 + int(arguments[0])
    job = msgspec.json.decode(arguments[1], type=PodJob)
    nodes = tuple(msgspec.json.decode(part, type=DbtSelection) for part in arguments[first:])
    return replace(job, words=tuple(arguments[2:first]), invocation=replace(job.invocation, nodes=nodes))


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def answer_lines(answer: PodAnswer) -> tuple[str, ...]:
    """The answer as lines for a log."""
    text = ""
    for letters in _MESSAGE_LETTERS:
        text = _packed(_shortened(answer, letters))
        if len(text) <= LARGEST_ANSWER:
            break
    else:
        reason = f"dbt's results have {len(text)} letters when compressed; a log takes {LARGEST_ANSWER} of an answer."
        text = _packed(PodAnswer(answer.made_by, refused=reason))
    return frames(text)


def read_answer(lines: Iterable[str]) -> PodAnswer | None:
    """The last answer that is whole in these lines; None where there is none."""
    text = Frames().read(lines).text
    return _unpacked(text) if text else None


def _packed(answer: PodAnswer) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(answer), 9)).decode("ascii")


def _unpacked(text: str) -> PodAnswer | None:
    try:
        return msgspec.json.decode(zlib.decompress(base64.b64decode(text)), type=PodAnswer)
    except (ValueError, zlib.error):
        # Of another version of this library: as good as none.
        return None


def _shortened(answer: PodAnswer, letters: int) -> PodAnswer:
    if answer.outcome is None or answer.outcome.results is None:
        return answer
    results = tuple(_with_message(result, letters) for result in answer.outcome.results)
    return replace(answer, outcome=replace(answer.outcome, results=results))


def _with_message(result: NodeResult, letters: int) -> NodeResult:
    return result if len(result.message) <= letters else replace(result, message=result.message[:letters])
