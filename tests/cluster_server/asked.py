"""What a request asks for: the place in the API, the verb, and the options in its query."""

from collections.abc import Mapping
from dataclasses import dataclass

from cluster_server.answers import Refused
from cluster_server.kinds import NAMESPACE, Kind, kind_at


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for objects."""

    kind: Kind
    #: None: of all namespaces, or a kind without.
    namespace: str | None
    name: str
    subresource: str
    #: As RBAC names it.
    verb: str
    query: Mapping[str, str]

    @property
    def resource(self) -> str:
        """As RBAC names it: `pods`, `pods/log`."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural

    @property
    def fault_verb(self) -> str:
        """As faults name it: `log` and `exec` are verbs of their own."""
        return self.subresource if self.subresource in ("log", "exec") else self.verb

    def says(self, option: str) -> bool:
        """Whether an option is switched on."""
        return self.query.get(option, "").lower() in ("true", "1", "t")


def asked_for(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """Read a path under `/api` or `/apis`. 404 for what is not served, 405 for what cannot be done there."""
    parts = [part for part in path.split("/") if part]
    missing = Refused(404, "the server could not find the requested resource", details={})
    if len(parts) < 3:
        raise missing
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    namespace: str | None = None
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        raise missing
    kind = kind_at(group, version, rest[0])
    if kind is None or (namespace is not None and not kind.namespaced):
        raise missing
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in (*kind.subresources, "finalize" if kind is NAMESPACE else ""):
        raise missing
    if kind.namespaced and namespace is None and name:
        raise missing
    return Asked(kind, namespace, name, subresource, _verb(method, name, subresource, query), query)


def _verb(method: str, name: str, subresource: str, query: Mapping[str, str]) -> str:
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete" if name else "deletecollection"}
    if method == "GET":
        if name:
            return "get"
        return "watch" if query.get("watch", "").lower() in ("true", "1") else "list"
    verb = verbs.get(method)
    is_misplaced = (verb in ("update", "patch") and not name) or (verb == "create" and name and not subresource)
    if verb is None or is_misplaced:
        raise Refused(405, "the server does not allow this method on the requested resource")
    return verb
