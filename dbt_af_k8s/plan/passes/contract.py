"""Which tasks of one DAG can become one, such that nothing else of the DAG changes. Pure: ids, edges and costs.

A *region* is a set of tasks that becomes one task. It has

- one way out: only its last task has anything after it outside the region, and only the last may be looked at from
  outside (another DAG's wait). So whatever comes after the region waited for all of it before, and the region as a task
  ends as its last task would have ended;
- one way in: all its first tasks come directly after the same tasks, and no other of its tasks comes directly after
  anything outside but those. So each of its tasks waited for just that before, and none starts later than it did.

Then of two tasks that are not in one region, one comes before the other after the contraction exactly where it did so
before. Hence there is no cycle that was not there: a path that leaves a region leaves it by its last task, and where it
comes back it comes to a task that the last one waits for.

The way up from a task decides its region, and nothing else does, so regions stay as they are when unrelated tasks come
or go.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """One task as far as the contraction looks at it."""

    task_id: str
    upstream: tuple[str, ...]
    #: What must be the same for tasks to share a process; None: the task stays alone.
    key: Hashable | None
    #: Limits are on the sums of these.
    nodes: int = 1
    seconds: float = 0.0
    #: Whether it runs nothing and only closes all that it comes after: it joins all of that, or stays alone.
    is_closing: bool = False
    #: Whether something outside the DAG looks at this very task: then nothing may follow it in its region.
    is_watched: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one region may hold."""

    nodes: int
    seconds: float


class _Region:
    """A region while it grows; `outer` are the tasks outside that it comes directly after."""

    def __init__(self, piece: Piece) -> None:
        self.pieces = [piece]
        self.last = piece
        self.outer = frozenset(piece.upstream)
        self.key = piece.key


def regions(
    pieces: Sequence[Piece], limits: Limits, holds: Callable[[str, str, frozenset[str]], bool]
) -> tuple[tuple[str, ...], ...]:
    """The regions of more than one task, as task ids in the order of `pieces`; the last id is the way out.

    `pieces` are all tasks of a DAG, each after its upstream. `holds(upstream, task, inside)` says whether one process
    that runs the tasks `inside` keeps this edge between two of them.
    """
    position = {piece.task_id: number for number, piece in enumerate(pieces)}
    downstream: dict[str, list[str]] = {piece.task_id: [] for piece in pieces}
    for piece in pieces:
        for upstream in piece.upstream:
            downstream[upstream].append(piece.task_id)
    region_of: dict[str, _Region] = {}
    for piece in pieces:
        region = region_of[piece.task_id] = _Region(piece)
        if piece.key is None:
            continue
        while (joined := _joined(region, region_of, downstream, limits, holds)) is not None:
            joined.pieces.sort(key=lambda member: position[member.task_id])
            region = joined
            region_of.update((member.task_id, joined) for member in joined.pieces)
        if piece.is_closing and len(region.pieces) == 1:
            region.key = None
    found = [region for task_id, region in region_of.items() if region.last.task_id == task_id]
    return tuple(tuple(piece.task_id for piece in region.pieces) for region in found if len(region.pieces) > 1)


def _joined(
    region: _Region,
    region_of: dict[str, _Region],
    downstream: dict[str, list[str]],
    limits: Limits,
    holds: Callable[[str, str, frozenset[str]], bool],
) -> _Region | None:
    """The region with all those before it that have no other way out, or None."""
    before = {region_of[task_id].last.task_id: region_of[task_id] for task_id in region.outer}
    parts = [part for _, part in sorted(before.items()) if _leads_only_into(part, region, region_of, downstream)]
    if not parts:
        return None
    outer, lasts = parts[0].outer, frozenset(part.last.task_id for part in parts)
    rest = region.outer - lasts
    if any(part.outer != outer for part in parts) or not rest <= outer:
        return None
    if region.last.is_closing and len(region.pieces) == 1 and rest:
        return None
    pieces = [piece for part in parts for piece in part.pieces] + region.pieces
    if sum(piece.nodes for piece in pieces) > limits.nodes or sum(piece.seconds for piece in pieces) > limits.seconds:
        return None
    inside = frozenset(piece.task_id for piece in pieces)
    edges = [(up, piece.task_id) for piece in region.pieces for up in piece.upstream if up in lasts]
    if not all(holds(up, task_id, inside) for up, task_id in edges):
        return None
    joined = _Region(region.last)
    joined.pieces, joined.outer, joined.key = pieces, outer, region.key
    return joined


def _leads_only_into(
    part: _Region, region: _Region, region_of: dict[str, _Region], downstream: dict[str, list[str]]
) -> bool:
    if part.key is None or part.key != region.key or part.last.is_watched:
        return False
    return all(region_of.get(task_id) is region for task_id in downstream[part.last.task_id])
