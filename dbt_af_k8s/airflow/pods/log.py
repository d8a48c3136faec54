"""A pod's log, followed so that silence ends: whoever reads it looks at the pod from time to time.

Nobody ends the stream of a pod whose node is gone. Airflow (provider 10.25) would look at the pod after five minutes,
or after 100 where not even the head of the answer comes, for the client and Airflow both try such a call again.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from kubernetes.client import CoreV1Api
from urllib3.exceptions import MaxRetryError, ReadTimeoutError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError


class LogClient(CoreV1Api):  # type: ignore[misc] # the client has no types
    """The API of the cluster, where reading on in a followed log raises urllib3's `TimeoutError` after a silence.

    Airflow takes that as a sign to look at the pod, and reads on while its container runs.
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
            # Told when it is read: Airflow would make the call again, five times.
            return FollowedLog(None)


class FollowedLog:
    """The answer that a log is read from; None: there is none."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def stream(self, **options: Any) -> Iterator[bytes]:
        """Pieces of the log, as they come. A line that is not whole when the silence begins is told as it is."""
        if self._answer is None:
            raise HTTPTimeoutError("no answer of the log yet")
        is_whole = True
        try:
            for piece in self._answer.stream(**options):
                is_whole = piece.endswith(b"\n")
                yield piece
        except ReadTimeoutError as silence:
            if not is_whole:
                yield b"\n"
            raise HTTPTimeoutError("no new line of the log") from silence
        finally:
            self._answer.close()
