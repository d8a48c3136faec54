"""What the server does with an object before it is stored: the schema, the rules of its kind, defaults, admission."""

import base64
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

from cluster_server.answers import Refused, invalid, not_found
from cluster_server.job_rules import fill_job, job_change_problems, job_problems, own_pods
from cluster_server.kinds import ACCOUNT, LIMIT_RANGE, NAMESPACE, PRIORITY_CLASS, QUOTA, RUNTIME_CLASS, Kind
from cluster_server.names import Problems, metadata_problems
from cluster_server.pod_rules import change_problems, containers_of, fill_pod, pod_problems
from cluster_server.pod_security import LABEL, pod_security_problem
from cluster_server.quantities import amount
from cluster_server.schema import check_schema
from cluster_server.store import Store, Thing, generated_name

#: Most bytes of the data of a ConfigMap or Secret.
_DATA = 1024 * 1024
_NOT_READY = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
]


def admit_new(store: Store, kind: Kind, namespace: str, thing: Thing) -> Thing:
    """The object as it is to be stored. 400, 403, 404 or 422 for one that may not be."""
    check_schema(kind, thing)
    metadata = thing.setdefault("metadata", {})
    metadata.pop("uid", None)
    if kind.name == "Pod":
        _inject(store, thing)
    if kind.namespaced:
        _check_namespace(store, kind, namespace, metadata)
    _set_defaults(kind, thing)
    problems = [*metadata_problems(kind, metadata), *_problems(kind, thing)]
    if problems:
        raise invalid(kind.name, metadata.get("name") or "", problems)
    if not metadata.get("name"):
        metadata["name"] = generated_name(metadata["generateName"])
    if kind.name == "Pod":
        _limit(store, namespace, thing)
        _admit_pod(store, namespace, thing)
        _secure(store, namespace, thing)
    elif kind.name == "Job":
        own_pods(thing)
    if kind.namespaced:
        _check_quotas(store, kind, namespace, thing)
    if kind.name in ("Pod", "Job", "PersistentVolumeClaim", "Namespace", "Node"):
        thing["status"] = thing.get("status", {}) if kind.name == "Node" else _first_status(kind, thing)
    return thing


def admit_change(kind: Kind, old: Thing, new: Thing, subresource: str) -> Thing:
    """The changed object as it is to be stored; `status` changes that alone, everything else never does."""
    check_schema(kind, new)
    if subresource == "status":
        return {**old, "status": new.get("status", {}), "metadata": {**old["metadata"], **_versions(new)}}
    if kind.name in ("Pod", "Job", "PersistentVolumeClaim"):
        new["status"] = old.get("status", {})
    for fixed in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        new["metadata"].pop(fixed, None)
        if fixed in old["metadata"]:
            new["metadata"][fixed] = old["metadata"][fixed]
    _set_defaults(kind, new)
    problems = metadata_problems(kind, new["metadata"])
    if kind.name == "Pod":
        problems += change_problems(old["spec"], new["spec"])
    elif kind.name == "Job":
        problems += job_change_problems(old["spec"], new["spec"])
    elif old.get("immutable") and any(old.get(key) != new.get(key) for key in ("data", "binaryData", "immutable")):
        problems.append(("data", "Forbidden: field is immutable when `immutable` is set"))
    if problems:
        raise invalid(kind.name, new["metadata"]["name"], problems)
    return new


def _inject(store: Store, pod: Thing) -> None:
    """Add what webhooks add to the containers of a pod."""
    name = pod["metadata"].get("name") or pod["metadata"].get("generateName") or ""
    added = [deepcopy(container) for pattern, container in store.injected if fnmatchcase(name, pattern)]
    if added:
        pod["spec"]["containers"] = [*pod["spec"]["containers"], *added]


def _versions(thing: Thing) -> dict[str, Any]:
    return {key: thing["metadata"][key] for key in ("resourceVersion",) if key in thing["metadata"]}


def _check_namespace(store: Store, kind: Kind, namespace: str, metadata: Thing) -> None:
    if metadata.setdefault("namespace", namespace) != namespace:
        raise Refused(400, "the namespace of the provided object does not match the namespace sent on the request")
    space = store.find(NAMESPACE, "", namespace)
    if space is None:
        raise not_found("namespaces", namespace)
    if (space.get("status") or {}).get("phase") == "Terminating":
        name = metadata.get("name") or ""
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise Refused(403, f'{kind.resource} "{name}" is forbidden: {why}')


def _set_defaults(kind: Kind, thing: Thing) -> None:
    if kind.name == "Pod":
        fill_pod(thing.setdefault("spec", {}))
    elif kind.name == "Job":
        fill_job(thing.setdefault("spec", {}))
    elif kind.name == "Secret":
        thing.setdefault("type", "Opaque")
        plain = thing.pop("stringData", None) or {}
        coded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        if coded or "data" in thing:
            thing["data"] = {**(thing.get("data") or {}), **coded}
    elif kind.name == "PersistentVolumeClaim":
        thing.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        finalizers = thing["metadata"].setdefault("finalizers", [])
        if "kubernetes.io/pvc-protection" not in finalizers and "uid" not in thing["metadata"]:
            finalizers.append("kubernetes.io/pvc-protection")


def _problems(kind: Kind, thing: Thing) -> Problems:
    if kind.name == "Pod":
        return pod_problems(thing["spec"])
    if kind.name == "Job":
        return job_problems(thing["spec"])
    if kind.name in ("ConfigMap", "Secret"):
        size = sum(len(str(value)) for part in ("data", "binaryData") for value in (thing.get(part) or {}).values())
        return [("data", f"Too long: may not be more than {_DATA} bytes")] if size > _DATA else []
    if kind.name == "PersistentVolumeClaim":
        spec, found = thing["spec"], []
        if not spec.get("accessModes"):
            found.append(("spec.accessModes", "Required value: at least 1 access mode is required"))
        if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
            found.append(("spec.resources[storage]", "Required value"))
        return found
    return []


def _first_status(kind: Kind, thing: Thing) -> Thing:
    phases = {"PersistentVolumeClaim": "Pending", "Namespace": "Active"}
    if kind.name in phases:
        return {"phase": phases[kind.name]}
    if kind.name == "Job":
        return {}
    return {"phase": "Pending", "qosClass": _quality(thing["spec"])}


def _quality(spec: Thing) -> str:
    parts = [container.get("resources") or {} for _, container in containers_of(spec)]
    if not any(part.get("requests") or part.get("limits") for part in parts):
        return "BestEffort"
    full = all({"cpu", "memory"} <= set(part.get("limits") or {}) for part in parts)
    return "Guaranteed" if full and all(part.get("requests") == part["limits"] for part in parts) else "Burstable"


def _admit_pod(store: Store, namespace: str, thing: Thing) -> None:
    """Service account, priority class and runtime class must be there; the account's token is mounted."""
    spec, name = thing["spec"], thing["metadata"].get("name") or thing["metadata"].get("generateName", "")
    account_name = spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = account_name
    account = store.find(ACCOUNT, namespace, account_name)
    if account is None:
        why = f'error looking up service account {namespace}/{account_name}: serviceaccount "{account_name}" not found'
        raise Refused(403, f'pods "{name}" is forbidden: {why}', details={"name": name, "kind": "pods"})
    priority = spec.get("priorityClassName")
    found = store.find(PRIORITY_CLASS, "", priority) if priority else None
    if priority and found is None and not priority.startswith("system-"):
        raise Refused(403, f'pods "{name}" is forbidden: no PriorityClass with name {priority} was found')
    spec["priority"] = int(found["value"]) if found else 0
    runtime = spec.get("runtimeClassName")
    if runtime and store.find(RUNTIME_CLASS, "", runtime) is None:
        raise Refused(403, f'pods "{name}" is forbidden: pod rejected: RuntimeClass "{runtime}" not found')
    keys = [each.get("key") for each in spec.get("tolerations") or ()]
    added = [each for each in _NOT_READY if each["key"] not in keys and None not in keys]
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *added]
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if wanted:
        mount_token(spec)


def mount_token(spec: Thing) -> None:
    """Give every container the token of the pod's service account, as the admission controller does."""
    path, volume = "/var/run/secrets/kubernetes.io/serviceaccount", "kube-api-access-token"
    spec.setdefault("volumes", []).append(
        {
            "name": volume,
            "projected": {
                "defaultMode": 420,
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {
                        "downwardAPI": {
                            "items": [
                                {
                                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                                    "path": "namespace",
                                }
                            ]
                        }
                    },
                ],
            },
        }
    )
    for _, container in containers_of(spec):
        mounts = container.setdefault("volumeMounts", [])
        if not any(mount["mountPath"] == path for mount in mounts):
            mounts.append({"name": volume, "mountPath": path, "readOnly": True})


def _limit(store: Store, namespace: str, pod: Thing) -> None:
    """Give containers what the limit ranges of the namespace say, and refuse those that ask for more."""
    for limits in (item for each in store.all(LIMIT_RANGE, namespace) for item in each["spec"]["limits"]):
        if limits["type"] != "Container":
            continue
        for _, container in containers_of(pod["spec"]):
            resources = container.setdefault("resources", {})
            own = resources.get("limits") or {}
            most = {**(limits.get("max") or {}), **(limits.get("default") or {}), **own}
            least = {**most, **(limits.get("defaultRequest") or {}), **own, **(resources.get("requests") or {})}
            resources |= {key: value for key, value in (("limits", most), ("requests", least)) if value}
            for name, hard in (limits.get("max") or {}).items():
                if amount(most[name]) > amount(hard):
                    why = f"maximum {name} usage per Container is {hard}, but limit is {most[name]}"
                    raise Refused(403, f'pods "{_who(pod)}" is forbidden: {why}')


def _secure(store: Store, namespace: str, pod: Thing) -> None:
    labels = (store.get(NAMESPACE, "", namespace)["metadata"].get("labels")) or {}
    why = pod_security_problem(labels.get(LABEL), pod["spec"])
    if why is not None:
        raise Refused(403, f'pods "{_who(pod)}" is forbidden: {why}')


def _who(thing: Thing) -> str:
    return str(thing["metadata"].get("name") or thing["metadata"].get("generateName"))


def _must_say(kind: Kind, quota: Thing, hard: Thing, thing: Thing) -> None:
    """Under a quota of resources every container of a pod says how much it takes."""
    if kind.name != "Pod":
        return
    missing: dict[str, list[str]] = {}
    for name in sorted(hard):
        part, dot, resource = name.partition(".")
        part, resource = (part, resource) if dot and part in ("requests", "limits") else ("requests", name)
        if resource not in ("cpu", "memory"):
            continue
        for _, container in containers_of(thing["spec"]):
            if resource not in ((container.get("resources") or {}).get(part) or {}):
                missing.setdefault(name, []).append(container["name"])
    if missing:
        told = "; ".join(f"{name} for: {','.join(names)}" for name, names in missing.items())
        why = f"failed quota: {quota['metadata']['name']}: must specify {told}"
        raise Refused(403, f'pods "{_who(thing)}" is forbidden: {why}')


def _check_quotas(store: Store, kind: Kind, namespace: str, thing: Thing) -> None:
    for quota in store.all(QUOTA, namespace):
        hard = (quota.get("spec") or {}).get("hard") or {}
        _must_say(kind, quota, hard, thing)
        wanted, used = usage(kind, thing), (quota.get("status") or {}).get("used") or {}
        for name in sorted(hard):
            asked = wanted.get(name, amount(0))
            if asked and amount(used.get(name, 0)) + asked > amount(hard[name]):
                told = f"requested: {name}={asked}, used: {name}={used.get(name, 0)}, limited: {name}={hard[name]}"
                who = thing["metadata"].get("name") or thing["metadata"].get("generateName")
                why = f"exceeded quota: {quota['metadata']['name']}, {told}"
                raise Refused(403, f'{kind.resource} "{who}" is forbidden: {why}')


def usage(kind: Kind, thing: Thing) -> dict[str, Any]:
    """What an object takes of a quota."""
    found = {f"count/{kind.resource}": amount(1)}
    if kind.name in ("Pod", "ConfigMap", "Secret", "PersistentVolumeClaim"):
        found[kind.plural] = amount(1)
    if kind.name == "Pod":
        for part in ("requests", "limits"):
            for container in thing["spec"]["containers"]:
                for name, value in ((container.get("resources") or {}).get(part) or {}).items():
                    for key in (f"{part}.{name}", *([name] if part == "requests" else [])):
                        found[key] = found.get(key, amount(0)) + amount(value)
    return found
