"""Which node a pod goes to, or why none will have it. Of affinity only the required node affinity counts."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cluster_server.kinds import CLAIM, NODE, POD
from cluster_server.quantities import amount
from cluster_server.store import Store


def place(store: Store, pod: Mapping[str, Any]) -> tuple[str | None, str]:
    """The name of a node that fits, or None and the reason in the scheduler's words."""
    spec = pod["spec"]
    for volume in spec.get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and store.find(CLAIM, pod["metadata"]["namespace"], claim) is None:
            return None, _told(store, [f'persistentvolumeclaim "{claim}" not found'], each=False)
    whys = []
    for node in store.all(NODE):
        why = _objection(store, node, spec)
        if why is None:
            return str(node["metadata"]["name"]), ""
        whys.append(why)
    return None, _told(store, whys, each=True)


def _told(store: Store, whys: list[str], *, each: bool) -> str:
    count = len(list(store.all(NODE)))
    reasons = [f"{whys.count(why)} {why}" if each else why for why in sorted(set(whys))]
    return f"0/{count} nodes are available: {', '.join(reasons)}."


def _objection(store: Store, node: Mapping[str, Any], spec: Mapping[str, Any]) -> str | None:
    node_spec = node.get("spec") or {}
    if node_spec.get("unschedulable"):
        return "node(s) were unschedulable"
    for taint in node_spec.get("taints") or ():
        tolerated = any(_tolerates(each, taint) for each in spec.get("tolerations") or ())
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerated:
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return "node(s) didn't match Pod's node affinity/selector"
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if required and not any(_term_fits(term, labels) for term in required["nodeSelectorTerms"]):
        return "node(s) didn't match Pod's node affinity/selector"
    return _lack(store, node, spec)


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def _term_fits(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    for rule in term.get("matchExpressions") or ():
        value, values = labels.get(rule["key"]), rule.get("values") or ()
        fits = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }.get(rule["operator"], False)
        if not fits:
            return False
    return True


def requests_of(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a pod asks for: the sum of its containers, or the largest of its init containers where that is more."""
    total: dict[str, Decimal] = {}
    for container in spec["containers"]:
        for name, value in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = total.get(name, Decimal(0)) + amount(value)
    for container in spec.get("initContainers") or ():
        for name, value in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = max(total.get(name, Decimal(0)), amount(value))
    return total


def _lack(store: Store, node: Mapping[str, Any], spec: Mapping[str, Any]) -> str | None:
    free = {name: amount(value) for name, value in ((node.get("status") or {}).get("allocatable") or {}).items()}
    for pod in store.all(POD):
        phase = (pod.get("status") or {}).get("phase")
        if pod["spec"].get("nodeName") == node["metadata"]["name"] and phase not in ("Succeeded", "Failed"):
            for name, value in requests_of(pod["spec"]).items():
                free[name] = free.get(name, Decimal(0)) - value
    for name, value in sorted(requests_of(spec).items()):
        if value > free.get(name, Decimal(0)):
            return f"Insufficient {name}"
    return None
