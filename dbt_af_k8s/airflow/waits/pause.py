"""How long a deferred wait sleeps between two looks. Pure: no clock."""

from datetime import datetime, timedelta

#: A wait sleeps for this share of the time that it has waited already: it is over that much later than it could be.
_SHARE = 0.1


def pause(now: datetime, *, began: datetime, ready: datetime, shortest: float, longest: float | None) -> float:
    """Seconds to sleep from `now` on.

    `ready` is the earliest moment at which the upstream can be done: the end of the last interval that is waited for.
    Before it there is nothing to see. From then, or from when the wait `began`, the pause grows with the time: it is a
    tenth of it, but never less than `shortest` and never more than `longest` seconds (None: always `shortest`).
    """
    if now < ready:
        return max((ready - now) / timedelta(seconds=1), shortest)
    if longest is None:
        return shortest
    waited = (now - max(began, ready)) / timedelta(seconds=1)
    return max(shortest, min(waited * _SHARE, longest))
