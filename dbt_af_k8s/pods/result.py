"""The result of a script in a pod, as it comes back: from the termination message, or from the end of its log."""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from dbt_af_k8s.dbt.log_frames import Frames
from dbt_af_k8s.errors import DbtAfK8sError
from dbt_af_k8s.pods.parts import BASE
from dbt_af_k8s.pods.supervise import CHUNK, LARGEST, NOT_SENT

#: Lines of the end of a log that hold what was sent of a small result, and what other processes write meanwhile.
FIRST_LINES = 60
#: Lines that hold any result.
MOST_LINES = 2 * (LARGEST // CHUNK) + 100


class ResultNotSentError(DbtAfK8sError):
    """The pod says why it did not hand on the script's result; another try would not either."""


def message_lines(pod: Mapping[str, Any]) -> list[str]:
    """The lines of the termination message of a pod's script."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated")
        if status.get("name") == BASE and ended:
            return str(ended.get("message") or "").splitlines()
    return []


def result_in(frames: Frames) -> tuple[bool, Any]:
    """Whether what the script has left has arrived whole, and the result, None where it left none.

    Raises `ResultNotSentError`, and `json.JSONDecodeError` where the result is no JSON.
    """
    text = frames.text
    if text is None:
        return False, None
    if text.startswith(NOT_SENT):
        raise ResultNotSentError(_decoded(text[len(NOT_SENT) :]))
    return True, json.loads(_decoded(text)) if text else None


def read_frames(lines: Iterable[str]) -> Frames:
    """What these lines hold of a result."""
    return Frames().read(lines)


def _decoded(text: str) -> str:
    return zlib.decompress(base64.b64decode(text)).decode("utf-8", "replace")
