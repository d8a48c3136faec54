"""A compiled plan that stands in while the manifest is missing or half written. Pure: no disk, no clock."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.plan.compiled import Index
from dbt_af_k8s.plan.values import DagPlan

#: What a manifest looks like that dbt, or a deployment, is writing: gone, or not whole. Whatever else is wrong with one
#: is there to stay, and is told at once.
_NOT_WHOLE = frozenset(
    {
        "manifest-missing",
        "manifest-unreadable",
        "manifest-empty",
        "manifest-truncated",
        "manifest-not-utf8",
        "manifest-not-json",
    }
)


@dataclass(frozen=True, slots=True)
class LastGoodPlan:
    """A whole compiled plan beside a manifest that cannot be read."""

    #: The DAGs that were asked for.
    dags: tuple[DagPlan, ...]
    folder: Path
    index: Index
    #: When the plan was made, since when the manifest is as it is, and now.
    made: datetime
    since: datetime
    now: datetime

    @property
    def until(self) -> datetime:
        """The moment at which the plan does not stand in any more."""
        return self.since + timedelta(seconds=self.index.stands_in_for)

    @property
    def is_in_time(self) -> bool:
        """Whether it stands in now."""
        return self.now < self.until

    @property
    def issue(self) -> Issue:
        """What is told of it: in the log, by `check`, and in the notes of the DAGs."""
        made = _minute(self.made)
        does = (
            f"the DAGs go on with the plan made at {made}, until {_minute(self.until)}"
            if self.is_in_time
            else f"the plan made at {made} stood in for it until {_minute(self.until)}"
        )
        return warning(
            "last-good-plan",
            f"The manifest cannot be read since {_minute(self.since)}: {does}.",
            "Run `dbt parse`, or deploy the manifest again. `dags.last_good_plan` says how long the last plan is good.",
            key="dags.last_good_plan",
        )


def is_about_manifest_file(issues: Iterable[Issue]) -> bool:
    """Whether nothing is wrong with a project but that its manifest is not there, or not whole."""
    codes = {issue.code for issue in issues if issue.is_error}
    return bool(codes) and codes <= _NOT_WHOLE


def with_banner(dags: Iterable[DagPlan], issue: Issue) -> tuple[DagPlan, ...]:
    """The DAGs with an issue on top of their notes."""
    banner = f"**{issue.message}** {issue.fix}"
    return tuple(replace(dag, doc_md=f"{banner}\n\n{dag.doc_md}".rstrip()) for dag in dags)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
