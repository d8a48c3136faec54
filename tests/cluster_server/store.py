"""All objects of the cluster, each with the resource version of its last change, and the history that watches read.

One event loop owns a store: nothing here waits, and nothing is locked.
"""

import asyncio
import contextlib
import copy
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cluster_server.answers import already_exists, conflict, not_found
from cluster_server.kinds import Kind

Thing = dict[str, Any]
#: Characters of generated names (Kubernetes leaves out vowels and what looks alike).
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def now() -> str:
    """The time in whole seconds, as metadata and status have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def generated_name(start: str) -> str:
    """A name that begins so, with the suffix of `generateName`."""
    return start[:58] + "".join(random.choices(_SUFFIX, k=5))


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the history."""

    revision: int
    #: `ADDED`, `MODIFIED` or `DELETED`.
    what: str
    kind: Kind
    thing: Thing
    #: The state before, for selectors that an object enters or leaves.
    before: Thing | None


@dataclass
class Store:
    """Objects by kind, namespace and name."""

    #: So many changes are remembered; a watch from before them is told that it is too old.
    remembered: int = 20_000
    revision: int = 100
    #: Changes up to this revision are forgotten.
    forgotten: int = 0
    things: dict[Kind, dict[tuple[str, str], Thing]] = field(default_factory=dict)
    history: deque[Change] = field(default_factory=deque)
    #: What webhooks add to new pods: a pattern of their names, and a container.
    injected: list[tuple[str, Thing]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def create(self, kind: Kind, thing: Thing) -> Thing:
        """Store a new object and give it name, uid and version. 409 for a name that is taken."""
        made = copy.deepcopy(thing)
        metadata = made.setdefault("metadata", {})
        metadata.setdefault("name", generated_name(metadata.get("generateName", "")))
        key = (metadata.get("namespace") or "", metadata["name"])
        if key in self.things.setdefault(kind, {}):
            raise already_exists(kind.resource, metadata["name"])
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata["creationTimestamp"] = now()
        for forbidden in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(forbidden, None)
        if kind.name in ("Job", "Pod"):
            metadata["generation"] = 1
        return self._put("ADDED", kind, key, {"kind": kind.name, "apiVersion": kind.api_version, **made}, None)

    def get(self, kind: Kind, namespace: str, name: str) -> Thing:
        """A copy of an object. 404 where there is none."""
        found = self.find(kind, namespace, name)
        if found is None:
            raise not_found(kind.resource, name)
        return copy.deepcopy(found)

    def find(self, kind: Kind, namespace: str, name: str) -> Thing | None:
        """The object itself, to read only; None where there is none."""
        return self.things.get(kind, {}).get((namespace if kind.namespaced else "", name))

    def all(self, kind: Kind, namespace: str | None = None) -> Iterator[Thing]:
        """Objects of a kind in the order of their names, to read only; None: of all namespaces."""
        for (space, _), thing in sorted(self.things.get(kind, {}).items(), key=lambda item: item[0]):
            if namespace is None or space == namespace:
                yield thing

    def update(self, kind: Kind, thing: Thing) -> Thing:
        """Replace an object. 404 where there is none, 409 where the given resource version or uid is not its own."""
        metadata = thing["metadata"]
        key = (metadata.get("namespace") or "", metadata["name"])
        before = self.things.get(kind, {}).get(key)
        if before is None:
            raise not_found(kind.resource, metadata["name"])
        given, real = metadata.get("resourceVersion"), before["metadata"]["resourceVersion"]
        if given and given != real:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(kind.resource, metadata["name"], why)
        if metadata.get("uid") and metadata["uid"] != before["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
            raise conflict(kind.resource, metadata["name"], why + before["metadata"]["uid"])
        made = copy.deepcopy(thing)
        for fixed in ("uid", "creationTimestamp", "generateName", "generation"):
            if fixed in before["metadata"]:
                made["metadata"][fixed] = before["metadata"][fixed]
        made["metadata"]["resourceVersion"] = real
        if made == before:
            return copy.deepcopy(before)
        if "generation" in before["metadata"] and made.get("spec") != before.get("spec"):
            made["metadata"]["generation"] += 1
        return self._put("MODIFIED", kind, key, made, before)

    def change(self, kind: Kind, namespace: str, name: str, edit: Callable[[Thing], None]) -> Thing | None:
        """Edit an object in place, as the cluster's own parts do; None where it is gone."""
        found = self.find(kind, namespace, name)
        if found is None:
            return None
        thing = copy.deepcopy(found)
        edit(thing)
        return self.update(kind, thing)

    def remove(self, kind: Kind, namespace: str, name: str) -> Thing | None:
        """Take an object out at once; its last state, None where there was none."""
        found = self.find(kind, namespace, name)
        if found is None:
            return None
        key = (namespace if kind.namespaced else "", name)
        before = self.things[kind].pop(key)
        self.revision += 1
        last = copy.deepcopy(before)
        last["metadata"]["resourceVersion"] = str(self.revision)
        self._remember(Change(self.revision, "DELETED", kind, last, before))
        return copy.deepcopy(last)

    def forget(self) -> None:
        """Forget the history, as a cluster does some minutes later: older watches answer 410."""
        self.history.clear()
        self.forgotten = self.revision
        self._tell()

    async def changed(self, seconds: float) -> None:
        """Wait for the next change, at most so long."""
        event = self._changed
        # Not `wait_for`, which may swallow a cancellation before Python 3.12.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    def since(self, revision: int) -> list[Change]:
        """All changes after a revision, oldest first."""
        found = []
        for change in reversed(self.history):
            if change.revision <= revision:
                break
            found.append(change)
        return found[::-1]

    def _put(self, what: str, kind: Kind, key: tuple[str, str], thing: Thing, before: Thing | None) -> Thing:
        self.revision += 1
        thing["metadata"]["resourceVersion"] = str(self.revision)
        self.things[kind][key] = thing
        self._remember(Change(self.revision, what, kind, copy.deepcopy(thing), before))
        return copy.deepcopy(thing)

    def _remember(self, change: Change) -> None:
        self.history.append(change)
        while len(self.history) > self.remembered:
            self.forgotten = self.history.popleft().revision
        self._tell()

    def _tell(self) -> None:
        event, self._changed = self._changed, asyncio.Event()
        event.set()


def owners(thing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The owner references of an object."""
    return list((thing.get("metadata") or {}).get("ownerReferences") or ())
