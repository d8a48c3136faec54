"""Claims find their volumes, and quotas are counted."""

from typing import Any

from cluster_server.admission import usage
from cluster_server.kinds import CLAIM, KINDS, QUOTA, STORAGE_CLASS
from cluster_server.quantities import amount
from cluster_server.recorder import Recorder
from cluster_server.store import Store, Thing


async def bind_claims(store: Store, recorder: Recorder) -> None:
    """Bind every claim of a storage class that is there; of none named, the default one's. Until cancelled."""
    while True:
        seen = store.revision
        for claim in list(store.all(CLAIM)):
            if (claim.get("status") or {}).get("phase") == "Pending":
                _bind(store, recorder, claim)
        if seen == store.revision:
            await store.changed(5.0)


def _bind(store: Store, recorder: Recorder, claim: Thing) -> None:
    metadata = claim["metadata"]
    name = claim["spec"].get("storageClassName", "standard")
    if store.find(STORAGE_CLASS, "", name) is None:
        told = f'storageclass.storage.k8s.io "{name}" not found'
        recorder.tell(claim, "ProvisioningFailed", told, by="persistentvolume-controller", warns=True)
        return

    def change(stored: Thing) -> None:
        spec = stored["spec"]
        spec |= {"storageClassName": name, "volumeName": f"pvc-{metadata['uid']}"}
        room = spec["resources"]["requests"]["storage"]
        stored["status"] = {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": {"storage": room}}

    store.change(CLAIM, metadata["namespace"], metadata["name"], change)


async def count_quotas(store: Store) -> None:
    """Keep the status of every quota true. Until cancelled."""
    while True:
        seen = store.revision
        for quota in list(store.all(QUOTA)):
            _count(store, quota)
        if seen == store.revision:
            await store.changed(5.0)


def _count(store: Store, quota: Thing) -> None:
    namespace, hard = quota["metadata"]["namespace"], (quota.get("spec") or {}).get("hard") or {}
    used: dict[str, Any] = dict.fromkeys(hard, amount(0))
    for kind in KINDS:
        if kind.namespaced:
            for thing in store.all(kind, namespace):
                if (thing.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                    for name, value in usage(kind, thing).items():
                        if name in used:
                            used[name] += value
    told = {name: format(value.normalize(), "f") for name, value in used.items()}

    def change(stored: Thing) -> None:
        stored["status"] = {"hard": hard, "used": told}

    store.change(QUOTA, namespace, quota["metadata"]["name"], change)
