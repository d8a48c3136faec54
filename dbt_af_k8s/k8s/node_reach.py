"""How far a node's settings reach: its work's needs, and neither where it runs, nor paths, nor credentials. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.config.wording import quoted
from dbt_af_k8s.k8s.check import Path

#: Parts of the cluster that labels and annotations of a node may speak to; all else with a prefix is for a controller
#: that may give the pod an identity, a secret or another container (Vault, Azure's and Amazon's identities, meshes).
_OPEN_PREFIXES = ("app.kubernetes.io", "cluster-autoscaler.kubernetes.io", "karpenter.sh", "kueue.x-k8s.io")
#: Labels without a prefix by which a controller gives an identity: Azure's first way.
_IDENTITY_LABELS = ("aadpodidbinding",)
#: What to do with a key that is not a node's.
TO_THE_TARGET = "Write it in the target in profiles.yml, or give the node another target by `dbt_target`."


def beyond_node(changes: Mapping[str, Any], whole: type[BaseModel], of_nodes: type[BaseModel]) -> Iterator[Finding]:
    """The keys of a target's model (`whole`) that a node (`of_nodes`) may not change."""
    known = {field.alias or name for name, field in whole.model_fields.items()}
    open_to_nodes = {field.alias or name for name, field in of_nodes.model_fields.items()}
    for key in changes:
        if key in known - open_to_nodes:
            message = f"`{key}` belongs to the target; a node cannot change it."
            yield Finding((str(key),), "wrong", message, TO_THE_TARGET)


def node_label_findings(written: Any, path: Path) -> Iterator[Finding]:
    """Labels and annotations by which a controller of the cluster gives more than the target does."""
    for name in written if isinstance(written, Mapping) else ():
        prefix, slash, _ = str(name).partition("/")
        if (slash and prefix not in _OPEN_PREFIXES) or name in _IDENTITY_LABELS:
            message = f"A node cannot set {quoted(str(name))}: it speaks to a controller of the cluster."
            yield Finding((*path, str(name)), "wrong", message, TO_THE_TARGET)
