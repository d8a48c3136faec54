"""The pod in which dbt runs: a target's pod settings, filled with a dbt job for the project in the image."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.dbt.pod_job import PodJob, job_arguments
from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.k8s.names import safe_label_value
from dbt_af_k8s.pods.dbt_values import DbtPod
from dbt_af_k8s.pods.env import literal
from dbt_af_k8s.pods.manifest import NODE_LABEL, Contents, filled_pod

#: What the image starts.
ENTRY = ("-m", "dbt_af_k8s.dbt.in_pod")
#: Volume of the Secret that an Airflow connection becomes. Kubernetes keeps Secret volumes in memory.
PROFILE_VOLUME = "dbt-af-profile"
PROFILE_FOLDER = "/dbt-af-k8s/profile"
_PROFILE_FILE = "profiles.yml"


@dataclass(frozen=True, slots=True)
class DbtCall:
    """What one pod is to do: dbt's words, the invocation behind them, and whether slices of its nodes do."""

    words: tuple[str, ...]
    invocation: DbtInvocation
    may_slice: bool = False


def dbt_pod_for(pod: DbtPod, call: DbtCall, *, name: str, secret: str, memory_rung: int = 0) -> dict[str, Any]:
    """The pod of one run of one task. `name` names it, `secret` the Secret with the profile, if it has one."""
    profiles_dir = PROFILE_FOLDER if pod.connection is not None else pod.profiles_dir
    job = PodJob(
        call.words,
        call.invocation,
        call.may_slice,
        pod.project_dir,
        pod.manifest,
        pod.manifest_sha256,
        profiles_dir,
    )
    nodes = [node.unique_id for node in call.invocation.nodes]
    contents = Contents(
        name=name,
        node=nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes" if nodes else "a selection",
        args=(pod.target.python, *ENTRY, *(literal(part) for part in job_arguments(job))),
        env={"PYTHONUNBUFFERED": "1"},
        volumes=({"name": PROFILE_VOLUME, "secret": {"secretName": secret}},) if pod.connection else (),
        mounts=({"name": PROFILE_VOLUME, "mountPath": PROFILE_FOLDER, "readOnly": True},) if pod.connection else (),
    )
    return filled_pod(pod.target, contents, identity_binding=pod.identity_binding, memory_rung=memory_rung)


def profile_secret(pod: DbtPod, profiles: Mapping[str, Any], *, name: str, secret: str) -> dict[str, Any]:
    """The Secret with a profiles.yml; whoever makes it sets the pod as its owner."""
    # JSON is YAML; the braces of a Jinja expression in a password must stay what they are.
    text = json.dumps(profiles, sort_keys=True)
    metadata = {
        "name": secret,
        "namespace": pod.target.namespace,
        "labels": {"app.kubernetes.io/managed-by": "dbt-af-k8s", NODE_LABEL: safe_label_value(name)},
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {key: value for key, value in metadata.items() if value},
        "data": {_PROFILE_FILE: base64.b64encode(text.encode()).decode("ascii")},
    }
