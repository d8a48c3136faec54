"""Deletion: at once, gracefully, held back by finalizers; and the collection of what deleted objects owned.

Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster_server.answers import conflict
from cluster_server.kinds import CLAIM, JOB, KINDS, NAMESPACE, POD, Kind
from cluster_server.store import Change, Store, Thing, owners

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
_HOLDS = "kubernetes.io/pvc-protection"


def delete(store: Store, kind: Kind, thing: Thing, options: Mapping[str, Any]) -> Thing | None:
    """Delete an object: its state if it is still there, for it ends gracefully or is held back; None if it is gone.

    409 where the object is not the one that the preconditions mean.
    """
    metadata = thing["metadata"]
    namespace, name = metadata.get("namespace") or "", metadata["name"]
    for key in ("uid", "resourceVersion"):
        wanted = (options.get("preconditions") or {}).get(key)
        if wanted and wanted != metadata[key]:
            raise conflict(kind.resource, name, f"Precondition failed: {key} in precondition: {wanted}")
    policy = options.get("propagationPolicy") or ("Background" if options.get("orphanDependents") is None else "")
    if options.get("orphanDependents") is True:
        policy = "Orphan"
    if policy == "Orphan":
        _let_go(store, metadata["uid"])
    held = list(metadata.get("finalizers") or ())
    if policy == "Foreground" and _FOREGROUND not in held and _owned_by(store, metadata["uid"]):
        held.append(_FOREGROUND)
    grace = _grace(kind, thing, options)
    if not held and grace == 0:
        store.remove(kind, namespace, name)
        return None

    def mark(stored: Thing) -> None:
        if held:
            stored["metadata"]["finalizers"] = held
        old = stored["metadata"].get("deletionGracePeriodSeconds")
        if "deletionTimestamp" not in stored["metadata"] or (old is not None and grace < old):
            moment = datetime.now(UTC) + timedelta(seconds=grace)
            stored["metadata"]["deletionTimestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            stored["metadata"]["deletionGracePeriodSeconds"] = grace
        if kind is NAMESPACE:
            stored["status"] = {"phase": "Terminating"}

    return store.change(kind, namespace, name, mark)


def _grace(kind: Kind, thing: Thing, options: Mapping[str, Any]) -> int:
    """Seconds that a pod has to end by itself; everything else has none."""
    if kind is NAMESPACE:
        return 1
    if kind is not POD or not thing["spec"].get("nodeName"):
        return 0
    wanted = options.get("gracePeriodSeconds")
    if wanted is None:
        wanted = thing["spec"].get("terminationGracePeriodSeconds", 30)
    if (thing.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return max(int(wanted), 0)


def _owned_by(store: Store, uid: str) -> list[tuple[Kind, Thing]]:
    return [
        (kind, thing)
        for kind in KINDS
        for thing in list(store.all(kind))
        if any(owner["uid"] == uid for owner in owners(thing))
    ]


def _let_go(store: Store, uid: str) -> None:
    for kind, thing in _owned_by(store, uid):

        def orphaned(stored: Thing) -> None:
            stored["metadata"]["ownerReferences"] = [owner for owner in owners(stored) if owner["uid"] != uid]

        store.change(kind, thing["metadata"].get("namespace") or "", thing["metadata"]["name"], orphaned)


class GarbageCollector:
    """Takes away what has lost its owner, empties namespaces that are deleted, and lets go what nothing holds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Until cancelled."""
        seen = 0
        while True:
            for change in self._store.since(seen):
                seen = change.revision
                self._see(change)
            self._empty_namespaces()
            if seen == self._store.revision:
                await self._store.changed(5.0)
            else:
                await asyncio.sleep(0)

    def _see(self, change: Change) -> None:
        uid = change.thing["metadata"]["uid"]
        if change.what == "DELETED":
            for kind, thing in _owned_by(self._store, uid):
                self._without_owner(kind, thing, uid)
            if change.kind is POD:
                self._release_claims()
            for kind, thing in self._waiting_for_dependents():
                if not _owned_by(self._store, thing["metadata"]["uid"]):
                    self._finalized(kind, thing, _FOREGROUND)
        elif change.what == "ADDED" and owners(change.thing):
            alive = {thing["metadata"]["uid"] for kind in KINDS for thing in self._store.all(kind)}
            if not any(owner["uid"] in alive for owner in owners(change.thing)):
                self._delete(change.kind, change.thing)
        elif change.thing["metadata"].get("deletionTimestamp"):
            if _FOREGROUND in (change.thing["metadata"].get("finalizers") or ()):
                for kind, thing in _owned_by(self._store, uid):
                    if "deletionTimestamp" not in thing["metadata"]:
                        self._delete(kind, thing)
            elif not change.thing["metadata"].get("finalizers") and change.kind not in (POD, NAMESPACE):
                self._store.remove(
                    change.kind, change.thing["metadata"].get("namespace") or "", change.thing["metadata"]["name"]
                )
            if change.kind is CLAIM:
                self._release_claims()

    def _without_owner(self, kind: Kind, thing: Thing, uid: str) -> None:
        alive = {other["metadata"]["uid"] for each in KINDS for other in self._store.all(each)}
        if any(owner["uid"] in alive for owner in owners(thing)):
            return
        self._delete(kind, thing)

    def _delete(self, kind: Kind, thing: Thing) -> None:
        delete(self._store, kind, thing, {"propagationPolicy": "Background"})

    def _waiting_for_dependents(self) -> list[tuple[Kind, Thing]]:
        return [
            (kind, thing)
            for kind in (JOB, POD)
            for thing in list(self._store.all(kind))
            if _FOREGROUND in (thing["metadata"].get("finalizers") or ())
        ]

    def _finalized(self, kind: Kind, thing: Thing, finalizer: str) -> None:
        def without(stored: Thing) -> None:
            stored["metadata"]["finalizers"] = [each for each in stored["metadata"]["finalizers"] if each != finalizer]

        self._store.change(kind, thing["metadata"].get("namespace") or "", thing["metadata"]["name"], without)

    def _release_claims(self) -> None:
        """A claim that is deleted goes when no pod uses it any more; one that has ended still does (seen in 1.36)."""
        used = {
            (pod["metadata"]["namespace"], (volume.get("persistentVolumeClaim") or {}).get("claimName"))
            for pod in self._store.all(POD)
            for volume in pod["spec"].get("volumes") or ()
        }
        for claim in list(self._store.all(CLAIM)):
            metadata = claim["metadata"]
            is_used = (metadata["namespace"], metadata["name"]) in used
            if "deletionTimestamp" in metadata and _HOLDS in (metadata.get("finalizers") or ()) and not is_used:
                self._finalized(CLAIM, claim, _HOLDS)

    def _empty_namespaces(self) -> None:
        for space in list(self._store.all(NAMESPACE)):
            if "deletionTimestamp" not in space["metadata"]:
                continue
            name = space["metadata"]["name"]
            inside = [(kind, thing) for kind in KINDS if kind.namespaced for thing in list(self._store.all(kind, name))]
            for kind, thing in inside:
                if "deletionTimestamp" not in thing["metadata"]:
                    self._delete(kind, thing)
            if not inside:
                self._store.remove(NAMESPACE, "", name)
