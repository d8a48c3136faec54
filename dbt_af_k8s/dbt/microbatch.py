"""How far back a scheduled run of a microbatch model goes. The rule is dbt's (`MicrobatchBuilder` of dbt 1.11)."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

#: dbt's own default of `lookback`.
LOOKBACK = 1


@dataclass(frozen=True, slots=True)
class Microbatch:
    """The batches of a model, as its config has them."""

    #: `hour`, `day`, `month` or `year`, counted in UTC; None where it is not known: then no run goes back.
    batch_size: str | None = None
    #: How many batches before its own a run builds again, for rows that come late.
    lookback: int = LOOKBACK
    #: Nothing before it is built.
    begin: datetime | None = None

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> "Microbatch":
        """The batches of a model's config in the manifest; what dbt would refuse at run time counts as not given."""
        size, lookback = config.get("batch_size"), config.get("lookback")
        return cls(
            batch_size=size if size in _TRUNCATED else None,
            lookback=max(lookback, 0) if isinstance(lookback, int) else LOOKBACK,
            begin=_moment(config.get("begin")),
        )

    def start_of(self, start: datetime) -> datetime:
        """Where a scheduled run begins whose data interval begins at `start`: `lookback` batches earlier, and never
        before `begin`.

        Aware moments; the answer is in UTC. It may lie after the interval's end, where all of that is before `begin`.
        """
        start = start.astimezone(UTC)
        if self.batch_size is not None:
            try:
                start = _back(_TRUNCATED[self.batch_size](start), self.batch_size, self.lookback)
            except (OverflowError, ValueError):
                start = datetime.min.replace(tzinfo=UTC)
        return start if self.begin is None else max(start, self.begin)


_TRUNCATED = {
    "hour": lambda moment: moment.replace(minute=0, second=0, microsecond=0),
    "day": lambda moment: moment.replace(hour=0, minute=0, second=0, microsecond=0),
    "month": lambda moment: moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
    "year": lambda moment: moment.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0),
}


def _back(moment: datetime, batch_size: str, batches: int) -> datetime:
    if batch_size in ("hour", "day"):
        return moment - timedelta(hours=batches) if batch_size == "hour" else moment - timedelta(days=batches)
    months = moment.year * 12 + moment.month - 1 - batches * (12 if batch_size == "year" else 1)
    return moment.replace(year=months // 12, month=months % 12 + 1)


def _moment(written: object) -> datetime | None:
    """A `begin` as dbt takes it: the reading of the clock counts as UTC, whatever its offset."""
    with suppress(ValueError):
        if isinstance(written, str):
            return datetime.fromisoformat(written).replace(tzinfo=UTC)
    return None
