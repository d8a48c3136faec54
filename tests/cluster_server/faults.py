"""What goes wrong, at the word of a test: requests, log streams, and the pods themselves."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verb = Literal["create", "get", "list", "watch", "update", "patch", "delete", "deletecollection", "log", "exec", "any"]
PodTrouble = Literal[
    "unschedulable", "slow_start", "image_pull", "oom", "evicted", "node_lost", "deleted", "killed", "not_started"
]


@dataclass
class RequestFault:
    """An answer that is not what was asked for, to the next `times` requests of this kind."""

    verb: Verb = "any"
    #: Plural of the kind; `*` any.
    resource: str = "*"
    #: Pattern of the object's name, as in a shell.
    name: str = "*"
    #: HTTP code; 0: the connection ends without an answer.
    code: int = 500
    times: int = 1
    #: Seconds that the answer asks to wait.
    retry_after: int | None = None
    #: Do what was asked, and only then answer so.
    after_doing: bool = False
    message: str = "the stand-in was told to fail"


@dataclass
class LogFault:
    """A log stream that ends, or begins, other than it should."""

    pod: str = "*"
    container: str = "*"
    #: Cut the connection after so many entries, in the middle of the next one; None: do not cut.
    break_after: int | None = None
    #: Send the last entries before the asked time again, so many.
    repeat: int = 0
    times: int = 1


@dataclass
class PodFault:
    """Trouble for the next `times` pods that are of this name."""

    what: PodTrouble
    pod: str = "*"
    times: int = 1
    container: str = "base"
    #: When the container wrote a line with this text; None: at once when it runs.
    on_line: str | None = None
    #: Seconds that the trouble lasts, where it ends by itself; None: until the test ends it.
    seconds: float | None = None
    message: str = ""
    is_over: bool = False
    _taken: set[str] = field(default_factory=set)

    def concerns(self, pod: Mapping[str, Any]) -> bool:
        """Whether this pod gets it; a pod that got it once is remembered."""
        if self.is_over or not fnmatch.fnmatchcase(pod["metadata"]["name"], self.pod):
            return False
        uid = pod["metadata"]["uid"]
        if uid in self._taken:
            return True
        if len(self._taken) >= self.times:
            return False
        self._taken.add(uid)
        return True


@dataclass
class Faults:
    """All that is to go wrong."""

    requests: list[RequestFault] = field(default_factory=list)
    logs: list[LogFault] = field(default_factory=list)
    pods: list[PodFault] = field(default_factory=list)
    #: Seconds after which a request is cut whose answer is still coming, as proxies before an API do; None: never.
    longest_request: float | None = None

    def clear(self) -> None:
        """From now on everything goes well."""
        for each in self.pods:
            each.is_over = True
        self.requests.clear()
        self.logs.clear()
        self.pods.clear()
        self.longest_request = None

    def of_request(self, verb: str, resource: str, name: str) -> RequestFault | None:
        """The fault of a request, if it has one; it counts as used."""
        for fault in self.requests:
            if fault.times > 0 and fault.verb in (verb, "any") and fault.resource in (resource, "*"):
                if not fnmatch.fnmatchcase(name, fault.name):
                    continue
                fault.times -= 1
                return fault
        return None

    def of_log(self, pod: str, container: str) -> LogFault | None:
        """The fault of a log stream, if it has one; it counts as used."""
        for fault in self.logs:
            if fault.times > 0 and fnmatch.fnmatchcase(pod, fault.pod):
                if not fnmatch.fnmatchcase(container, fault.container):
                    continue
                fault.times -= 1
                return fault
        return None

    def of_pod(self, pod: Mapping[str, Any], *kinds: str) -> PodFault | None:
        """The first fault of these kinds that a pod has."""
        return next((fault for fault in self.pods if fault.what in kinds and fault.concerns(pod)), None)
