"""Objects over HTTP: create, get, list, update, patch, delete."""

import asyncio
import base64
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cluster_server.admission import admit_change, admit_new
from cluster_server.answers import Refused, conflict, success
from cluster_server.asked import Asked
from cluster_server.deletion import delete
from cluster_server.kinds import ACCOUNT, NAMESPACE, POD, Kind
from cluster_server.patches import patched
from cluster_server.schema import without_nulls
from cluster_server.selecting import Match, field_match, label_match
from cluster_server.store import Store, Thing

#: Largest body of a request (etcd takes 1.5 MiB of an object, the server 3 MiB of a request).
LARGEST = 3 * 1024 * 1024


#: The finalizer of what is slow to go.
SLOW = "dbt-af-k8s-test/slow"


@dataclass(frozen=True)
class SlowDeletion:
    """Objects that stay for a while after they are deleted."""

    #: Plural of the kind.
    resource: str
    #: Pattern of the name.
    name: str = "*"
    #: None: until a test takes the finalizer away.
    seconds: float | None = 1.0


def without_hold(stored: Thing) -> None:
    """Take the finalizer of what is slow away."""
    stored["metadata"]["finalizers"] = [each for each in stored["metadata"].get("finalizers") or () if each != SLOW]


class Objects:
    """The verbs on stored objects; each answers with a code and a body."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: The pods that clients have sent, as they were sent.
        self.sent_pods: list[Thing] = []
        #: What is slow to go.
        self.slow: list[SlowDeletion] = []

    def answer(self, asked: Asked, body: bytes, content_type: str) -> tuple[int, Any]:
        """Do what a request asks for."""
        verbs: dict[str, Callable[[Asked, bytes, str], tuple[int, Any]]] = {
            "create": self._create,
            "get": self._get,
            "list": self._list,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_all,
        }
        return verbs[asked.verb](asked, body, content_type)

    def _create(self, asked: Asked, body: bytes, _: str) -> tuple[int, Any]:
        thing = read_body(asked.kind, body)
        if asked.kind.namespaced and asked.namespace is None:
            raise Refused(405, "the server does not allow this method on the requested resource")
        if asked.kind is POD:
            self.sent_pods.append(deepcopy(thing))
        admitted = admit_new(self._store, asked.kind, asked.namespace or "", thing)
        if asked.query.get("dryRun") == "All":
            return 201, admitted
        made = self._store.create(asked.kind, admitted)
        if asked.kind is NAMESPACE:
            first = {"metadata": {"name": "default", "namespace": made["metadata"]["name"]}}
            self._store.create(ACCOUNT, first)
        return 201, made

    def _get(self, asked: Asked, _: bytes, __: str) -> tuple[int, Any]:
        return 200, self._store.get(asked.kind, asked.namespace or "", asked.name)

    def _list(self, asked: Asked, _: bytes, __: str) -> tuple[int, Any]:
        matches = matcher(asked)
        found = [thing for thing in self._store.all(asked.kind, asked.namespace) if matches(thing)]
        metadata: dict[str, Any] = {"resourceVersion": str(self._store.revision)}
        start = int(base64.b64decode(asked.query["continue"])) if asked.query.get("continue") else 0
        limit = int(asked.query.get("limit") or 0)
        if limit and len(found) > start + limit:
            metadata["continue"] = base64.b64encode(str(start + limit).encode()).decode()
            metadata["remainingItemCount"] = len(found) - start - limit
        chosen = found[start : start + limit] if limit else found[start:]
        items = [{key: value for key, value in thing.items() if key not in ("kind", "apiVersion")} for thing in chosen]
        head = {"kind": f"{asked.kind.name}List", "apiVersion": asked.kind.api_version}
        return 200, {**head, "metadata": metadata, "items": items}

    def _update(self, asked: Asked, body: bytes, _: str) -> tuple[int, Any]:
        new = read_body(asked.kind, body)
        if new.setdefault("metadata", {}).setdefault("name", asked.name) != asked.name:
            raise Refused(400, "the name of the object does not match the name on the URL")
        return 200, self._changed(asked, new)

    def _patch(self, asked: Asked, body: bytes, content_type: str) -> tuple[int, Any]:
        old = self._store.get(asked.kind, asked.namespace or "", asked.name)
        new = patched(old, read_json(body), content_type)
        if new["metadata"].get("resourceVersion") == old["metadata"]["resourceVersion"]:
            new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        return 200, self._changed(asked, new)

    def _changed(self, asked: Asked, new: Thing) -> Thing:
        old = self._store.get(asked.kind, asked.namespace or "", asked.name)
        if asked.kind.namespaced:
            new["metadata"].setdefault("namespace", asked.namespace)
        for fixed in ("name", "namespace", "uid"):
            given, real = new["metadata"].get(fixed), old["metadata"].get(fixed)
            if given != real and not (fixed == "uid" and given is None):
                raise conflict(asked.kind.resource, asked.name, f"metadata.{fixed} does not match: {given}")
        new = {**new, "kind": asked.kind.name, "apiVersion": asked.kind.api_version}
        admitted = admit_change(asked.kind, old, without_nulls(new), asked.subresource)
        if asked.query.get("dryRun") == "All":
            return admitted
        return self._store.update(asked.kind, admitted)

    def _delete(self, asked: Asked, body: bytes, _: str) -> tuple[int, Any]:
        thing = self._store.get(asked.kind, asked.namespace or "", asked.name)
        options = delete_options(asked, body)
        self._slow_down(asked, thing)
        if options.get("dryRun") or asked.query.get("dryRun") == "All":
            return 200, thing
        left = delete(self._store, asked.kind, thing, options)
        if left is not None:
            return 200, left
        if asked.kind.name in ("Pod", "PersistentVolumeClaim", "ServiceAccount"):
            return 200, thing
        return 200, success(asked.name, asked.kind.plural, thing["metadata"]["uid"])

    def _slow_down(self, asked: Asked, thing: Thing) -> None:
        """Hold what is slow to go by a finalizer, as storage and controllers do, and let it go later."""
        space = asked.namespace or ""
        for slow in self.slow:
            if (asked.kind.plural, True) != (slow.resource, fnmatchcase(asked.name, slow.name)):
                continue
            if thing["metadata"].get("deletionTimestamp"):
                continue

            def hold(stored: Thing) -> None:
                stored["metadata"]["finalizers"] = [*(stored["metadata"].get("finalizers") or ()), SLOW]

            def let_go(uid: str = thing["metadata"]["uid"]) -> None:
                there = self._store.find(asked.kind, space, asked.name)
                if there is not None and there["metadata"]["uid"] == uid:
                    self._store.change(asked.kind, space, asked.name, without_hold)

            changed = self._store.change(asked.kind, space, asked.name, hold)
            thing["metadata"] = dict((changed or thing)["metadata"])
            if slow.seconds is not None:
                asyncio.get_running_loop().call_later(slow.seconds, let_go)

    def _delete_all(self, asked: Asked, body: bytes, _: str) -> tuple[int, Any]:
        _, found = self._list(asked, b"", "")
        options = delete_options(asked, body)
        for item in found["items"]:
            head = {"kind": asked.kind.name, "apiVersion": asked.kind.api_version}
            delete(self._store, asked.kind, {**head, **item}, options)
        return 200, found


def matcher(asked: Asked) -> Match:
    """The request's selectors, and its name if it has one, as one predicate."""
    tests: list[Match] = []
    if asked.query.get("labelSelector"):
        tests.append(label_match(asked.query["labelSelector"]))
    if asked.query.get("fieldSelector"):
        tests.append(field_match(asked.kind, asked.query["fieldSelector"]))
    return lambda thing: all(test(thing) for test in tests)


def read_json(body: bytes) -> Any:
    """The body as JSON. 400 for what is none, 413 for too much of it."""
    if len(body) > LARGEST:
        raise Refused(413, f"Request entity too large: limit is {LARGEST}")
    try:
        return json.loads(body)
    except ValueError as problem:
        raise Refused(400, f"the object provided is unrecognized (must be of type Status): {problem}") from None


def read_body(kind: Kind, body: bytes) -> Thing:
    """An object of the kind. 400 for one of another."""
    thing = read_json(body)
    if not isinstance(thing, dict):
        raise Refused(400, f"cannot unmarshal {type(thing).__name__} into {kind.name}")
    given = (thing.get("apiVersion") or kind.api_version, thing.get("kind") or kind.name)
    if given != (kind.api_version, kind.name):
        raise Refused(400, f"the API version in the data ({given[0]}) does not match the expected ({kind.api_version})")
    clean = without_nulls(thing)
    return {**clean, "kind": kind.name, "apiVersion": kind.api_version}


def delete_options(asked: Asked, body: bytes) -> dict[str, Any]:
    """The options of a deletion, from its body and its query."""
    options = without_nulls(read_json(body)) if body.strip() else {}
    if "gracePeriodSeconds" in asked.query:
        options["gracePeriodSeconds"] = int(asked.query["gracePeriodSeconds"])
    if "propagationPolicy" in asked.query:
        options["propagationPolicy"] = asked.query["propagationPolicy"]
    if "orphanDependents" in asked.query:
        options["orphanDependents"] = asked.says("orphanDependents")
    return dict(options)
