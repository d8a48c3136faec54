"""What a node may say of its pod: neither where it runs, nor paths, nor credentials. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.k8s.check import Path
from dbt_af_k8s.k8s.node_reach import TO_THE_TARGET, beyond_node, node_label_findings
from dbt_af_k8s.pods.env import env_mapping
from dbt_af_k8s.pods.written import NodePodWritten, TargetWritten


def node_pod_findings(changes: Mapping[str, Any]) -> Iterator[Finding]:
    """What a node's changes to its pod reach for that is not the node's."""
    yield from beyond_node(changes, TargetWritten, NodePodWritten)
    yield from node_env_findings(changes.get("env"), ("env",))
    for key in ("labels", "annotations"):
        yield from node_label_findings(changes.get(key), (key,))


def node_env_findings(written: Any, path: Path) -> Iterator[Finding]:
    """Variables that take a Secret of the cluster."""
    variables = env_mapping(written)
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        source = value.get("valueFrom") if isinstance(value, Mapping) else None
        if isinstance(source, Mapping) and source.get("secretKeyRef") is not None:
            message = f"`{name}` takes a Secret; a node cannot name one."
            yield Finding((*path, str(name)), "wrong", message, TO_THE_TARGET)
