"""Where dbt runs: what every place must be able to do, so that one verdict holds for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbt_af_k8s.dbt.freshness import SourceAge
from dbt_af_k8s.dbt.logs import LogDigest, LogLine
from dbt_af_k8s.dbt.process import GRACE_SECONDS, ProcessEnd
from dbt_af_k8s.dbt.results import NodeResult
from dbt_af_k8s.errors import DbtAfK8sError

OnLine = Callable[[LogLine], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one dbt process left: how it ended, and what it said of its work."""

    end: ProcessEnd
    log: LogDigest
    #: dbt's row for each node; None where it told none.
    results: tuple[NodeResult, ...] | None
    #: What `dbt source freshness` found.
    ages: tuple[SourceAge, ...] = ()


class PlaceError(DbtAfK8sError):
    """dbt could not be run to its end there, for a reason that may pass."""


class PlaceRefusesError(PlaceError):
    """The place refuses the work; the same would be refused again."""


class Place(Protocol):
    """Runs one dbt command for one try of a task."""

    def run(
        self, words: Sequence[str], *, on_line: OnLine, see: OnLine, timeout: float | None, may_slice: bool
    ) -> Outcome:
        """Run dbt with these words (`dbt.command`) to its end.

        `on_line` gets the lines that are to be shown, as they come; `see` every line of the log, for the verdict.
        `timeout` is in seconds. `may_slice` says that the words name nodes exactly, so that a slice does. Raises
        `UsageError` where dbt cannot be started, and `PlaceError`.
        """
        ...

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End dbt and all that it started. May be called from a signal handler or another thread while dbt works."""
        ...
