"""The events that the parts of the cluster write about objects."""

import secrets
from collections.abc import Mapping
from typing import Any

from cluster_server.kinds import EVENT, NAMESPACE
from cluster_server.store import Store, now


class Recorder:
    """Writes events; one that comes again counts up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, ...], tuple[str, str]] = {}

    def tell(
        self,
        about: Mapping[str, Any],
        reason: str,
        message: str,
        *,
        by: str = "kubelet",
        warns: bool = False,
        field: str = "",
    ) -> None:
        """One event about an object, in its namespace."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        space = self._store.find(NAMESPACE, "", namespace)
        if space is None or (space.get("status") or {}).get("phase") == "Terminating":
            return
        key = (metadata["uid"], reason, message, field)
        known = self._known.get(key)
        if known and self._store.find(EVENT, *known):

            def again(event: dict[str, Any]) -> None:
                event["count"] += 1
                event["lastTimestamp"] = now()

            self._store.change(EVENT, *known, again)
            return
        involved = {
            "kind": about["kind"],
            "apiVersion": about["apiVersion"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace"),
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        }
        name = f"{metadata['name']}.{secrets.token_hex(8)}"
        event = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {key: value for key, value in involved.items() if value}
            | ({"fieldPath": field} if field else {}),
            "reason": reason,
            "message": message,
            "type": "Warning" if warns else "Normal",
            "source": {"component": by},
            "reportingComponent": by,
            "reportingInstance": "",
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
        }
        self._store.create(EVENT, event)
        self._known[key] = (namespace, name)
