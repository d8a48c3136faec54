"""The kinds of objects that the server knows: where they live in the API, and what may be done with them."""

from dataclasses import dataclass

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API."""

    name: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    short: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As messages name it: `pods`, `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


POD = Kind("Pod", "pods", subresources=("status", "log", "exec", "eviction"), short=("po",))
JOB = Kind("Job", "jobs", "batch", subresources=("status",))
EVENT = Kind("Event", "events", short=("ev",))
CONFIG_MAP = Kind("ConfigMap", "configmaps", short=("cm",))
SECRET = Kind("Secret", "secrets")
CLAIM = Kind("PersistentVolumeClaim", "persistentvolumeclaims", subresources=("status",), short=("pvc",))
ACCOUNT = Kind("ServiceAccount", "serviceaccounts", subresources=("token",), short=("sa",))
QUOTA = Kind("ResourceQuota", "resourcequotas", subresources=("status",), short=("quota",))
LIMIT_RANGE = Kind("LimitRange", "limitranges", short=("limits",))
NAMESPACE = Kind("Namespace", "namespaces", namespaced=False, subresources=("status",), short=("ns",))
NODE = Kind("Node", "nodes", namespaced=False, subresources=("status",), short=("no",))
ROLE = Kind("Role", "roles", "rbac.authorization.k8s.io")
ROLE_BINDING = Kind("RoleBinding", "rolebindings", "rbac.authorization.k8s.io")
CLUSTER_ROLE = Kind("ClusterRole", "clusterroles", "rbac.authorization.k8s.io", namespaced=False)
CLUSTER_ROLE_BINDING = Kind("ClusterRoleBinding", "clusterrolebindings", "rbac.authorization.k8s.io", namespaced=False)
STORAGE_CLASS = Kind("StorageClass", "storageclasses", "storage.k8s.io", namespaced=False)
PRIORITY_CLASS = Kind("PriorityClass", "priorityclasses", "scheduling.k8s.io", namespaced=False)
RUNTIME_CLASS = Kind("RuntimeClass", "runtimeclasses", "node.k8s.io", namespaced=False)

KINDS = (
    POD,
    JOB,
    EVENT,
    CONFIG_MAP,
    SECRET,
    CLAIM,
    ACCOUNT,
    QUOTA,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    STORAGE_CLASS,
    PRIORITY_CLASS,
    RUNTIME_CLASS,
)


def kind_at(group: str, version: str, plural: str) -> Kind | None:
    """The kind at a place of the API."""
    found = [kind for kind in KINDS if (kind.group, kind.version, kind.plural) == (group, version, plural)]
    return found[0] if found else None


def kind_named(api_version: str, name: str) -> Kind | None:
    """The kind with this `apiVersion` and `kind`."""
    found = [kind for kind in KINDS if (kind.api_version, kind.name) == (api_version, name)]
    return found[0] if found else None


def resource_list(group: str, version: str) -> dict[str, object] | None:
    """What discovery answers for one group and version; None where nothing is served."""
    here = [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]
    if not here:
        return None
    resources: list[dict[str, object]] = []
    for kind in here:
        common = {"singularName": kind.name.lower(), "namespaced": kind.namespaced, "kind": kind.name}
        whole = {
            "name": kind.plural,
            "verbs": list(VERBS),
            "shortNames": list(kind.short),
            "categories": ["all"] if kind in (POD, JOB) else [],
        }
        resources.append({**whole, **common})
        resources.extend({"name": f"{kind.plural}/{sub}", "verbs": ["get"], **common} for sub in kind.subresources)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": here[0].api_version,
        "resources": resources,
    }
