"""A pod's log, followed so that silence ends: whoever reads it looks at the pod from time to time.

Nobody ends the stream of a pod whose node is gone. Airflow (provider 10.25) would look at the pod after five minutes,
or after 100 where not even the head of the answer comes, for the client and Airflow both try such a call again.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from kubernetes.client import CoreV1Api
from urllib3.exceptions import MaxRetryError, ReadTimeoutError


class LogClient(CoreV1Api):  # type: ignore[misc] # the client has no types
    """The API of the cluster, where following a log raises `TimeoutError` after a silence.

    Airflow takes that as a sign to look at the pod, and to read on while its container runs.
    """

    #: Seconds without a line.
    longest_silence: ClassVar[float] = 120
    #: Seconds for making a connection.
    _connecting: ClassVar[float] = 60

    def read_namespaced_pod_log(self, name: str, namespace: str, **more: Any) -> Any:
        """The log of a container, as the client's own method."""
        if not more.get("follow"):
            return super().read_namespaced_pod_log(name, namespace, **more)
        more["_request_timeout"] = (self._connecting, self.longest_silence)
        try:
            return FollowedLog(super().read_namespaced_pod_log(name, namespace, **more))
        except MaxRetryError as silence:
            if not isinstance(silence.reason, ReadTimeoutError):
                raise
            raise TimeoutError("no answer of the log yet") from silence


class FollowedLog:
    """The answer that a log is read from."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def stream(self, **options: Any) -> Iterator[bytes]:
        """Pieces of the log, as they come. A line that is not whole when the silence begins is told as it is."""
        is_whole = True
        try:
            for piece in self._answer.stream(**options):
                is_whole = piece.endswith(b"\n")
                yield piece
        except ReadTimeoutError as silence:
            if not is_whole:
                yield b"\n"
            raise TimeoutError("no new line of the log") from silence
        finally:
            self._answer.close()
