"""Who asks, and what they may: tokens, and roles with their bindings as the cluster holds them.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from cluster_server.answers import Refused
from cluster_server.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from cluster_server.store import Store

ADMIN = "stand-in-admin"


class Access:
    """Tokens and permissions. The administrator may do everything."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._users = {secrets.token_urlsafe(24): ADMIN}

    @property
    def admin_token(self) -> str:
        return next(token for token, user in self._users.items() if user == ADMIN)

    def token_of(self, namespace: str, account: str) -> str:
        """A token of a service account; the same one each time."""
        user = f"system:serviceaccount:{namespace}:{account}"
        for token, known in self._users.items():
            if known == user:
                return token
        token = secrets.token_urlsafe(24)
        self._users[token] = user
        return token

    def user(self, header: str | None) -> str:
        """Who an `Authorization` header stands for. 401 for nobody."""
        user = self._users.get((header or "").removeprefix("Bearer ").strip())
        if user is None:
            raise Refused(401, "Unauthorized")
        return user

    def check(self, user: str, verb: str, group: str, resource: str, namespace: str | None, name: str = "") -> None:
        """403 for what the user may not do; `resource` is `pods` or `pods/log`."""
        if self.may(user, verb, group, resource, namespace, name):
            return
        whole = f"{resource.split('/')[0]}.{group}" if group else resource.split("/")[0]
        which = f'{whole} "{name}"' if name else whole
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        why = f'User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}'
        details = {"kind": resource.split("/")[0]} | ({"name": name} if name else {})
        raise Refused(403, f"{which} is forbidden: {why}", details=details)

    def may(self, user: str, verb: str, group: str, resource: str, namespace: str | None, name: str = "") -> bool:
        """Whether a user may do something."""
        if user == ADMIN:
            return True
        return any(_allows(rule, verb, group, resource, name) for rule in self._rules(user, namespace))

    def _rules(self, user: str, namespace: str | None) -> Iterator[Mapping[str, Any]]:
        for binding in self._store.all(CLUSTER_ROLE_BINDING):
            if _binds(binding, user):
                yield from self._role(binding, None)
        if namespace:
            for binding in self._store.all(ROLE_BINDING, namespace):
                if _binds(binding, user):
                    yield from self._role(binding, namespace)

    def _role(self, binding: Mapping[str, Any], namespace: str | None) -> list[Mapping[str, Any]]:
        ref = binding["roleRef"]
        kind = CLUSTER_ROLE if ref["kind"] == "ClusterRole" else ROLE
        role = self._store.find(kind, namespace or "", ref["name"])
        return list((role or {}).get("rules") or ())


def _binds(binding: Mapping[str, Any], user: str) -> bool:
    for subject in binding.get("subjects") or ():
        names = {
            "User": subject.get("name"),
            "ServiceAccount": f"system:serviceaccount:{subject.get('namespace')}:{subject.get('name')}",
        }
        if names.get(subject["kind"]) == user:
            return True
        space = user.removeprefix("system:serviceaccount:").split(":")[0]
        groups = ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{space}")
        if subject["kind"] == "Group" and subject.get("name") in groups:
            return True
    return False


def _allows(rule: Mapping[str, Any], verb: str, group: str, resource: str, name: str) -> bool:
    if not {verb, "*"} & set(rule.get("verbs") or ()) or not {group, "*"} & set(rule.get("apiGroups") or ()):
        return False
    wide = f"*/{resource.split('/')[1]}" if "/" in resource else "*"
    if not {resource, "*", wide} & set(rule.get("resources") or ()):
        return False
    names = rule.get("resourceNames") or ()
    return not names or name in names
