"""Watches: the changes of a list as they happen, one JSON object a line.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from cluster_server.answers import gone
from cluster_server.asked import Asked
from cluster_server.kinds import Kind
from cluster_server.objects_api import matcher
from cluster_server.store import Change, Store, Thing

#: Seconds between two bookmarks (Kubernetes: about a minute).
BOOKMARK_EVERY = 1.0
#: Seconds after which a watch without a time-out ends.
LONGEST = 300.0


async def watch(store: Store, asked: Asked) -> AsyncIterator[bytes]:
    """The lines of a watch, until its time is over or its start is forgotten."""
    matches = matcher(asked)
    given = asked.query.get("resourceVersion") or "0"
    seen = int(given)
    ends = time.monotonic() + float(asked.query.get("timeoutSeconds") or LONGEST)
    bookmarks, next_bookmark = asked.says("allowWatchBookmarks"), time.monotonic() + BOOKMARK_EVERY
    if seen == 0:
        seen = store.revision
        for thing in list(store.all(asked.kind, asked.namespace)):
            if matches(thing):
                yield _line("ADDED", thing)
    while time.monotonic() < ends:
        if seen < store.forgotten:
            yield _line("ERROR", gone(seen, store.forgotten).status)
            return
        for change in store.since(seen):
            seen = change.revision
            what = _told(change, asked, matches)
            if what is not None:
                yield _line(what, change.thing)
        seen = max(seen, store.revision) if not store.since(seen) else seen
        if bookmarks and time.monotonic() >= next_bookmark:
            next_bookmark = time.monotonic() + BOOKMARK_EVERY
            yield _line("BOOKMARK", bookmark(asked.kind, seen))
        until = min(ends, next_bookmark) if bookmarks else ends
        if not store.since(seen):
            await store.changed(max(until - time.monotonic(), 0.001))
    if bookmarks:
        yield _line("BOOKMARK", bookmark(asked.kind, seen))


def bookmark(kind: Kind, revision: int) -> Thing:
    """An object that says no more than how far a watch has come."""
    metadata = {"resourceVersion": str(revision), "creationTimestamp": None}
    return {"kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}


def _told(change: Change, asked: Asked, matches: Any) -> str | None:
    """How a change looks through the selectors: what enters them is new, what leaves them is gone."""
    if change.kind is not asked.kind:
        return None
    if asked.namespace is not None and change.thing["metadata"].get("namespace") != asked.namespace:
        return None
    if change.what != "MODIFIED":
        return change.what if matches(change.thing) else None
    before, after = matches(change.before or {}), matches(change.thing)
    return {(True, True): "MODIFIED", (False, True): "ADDED", (True, False): "DELETED"}.get((before, after))


def _line(what: str, thing: Thing) -> bytes:
    return json.dumps({"type": what, "object": thing}).encode() + b"\n"
