"""The `kubernetes` target of profiles.yml as a user writes it, and what a node may change in `meta.kubernetes`.

dbt-af's keys are `type`, `schema`, `image_name`, `node_pool_selector_name`, `node_pool`, `pod_cpu_guarantee`,
`pod_memory_guarantee` and `tolerations`. What Kubernetes itself has a form for (affinity, volumes, containers) is
written in that form.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt

from dbt_af_k8s.config.fields import Duration, Section, Span, Text
from dbt_af_k8s.k8s.kinds import (
    DnsLabel,
    DnsName,
    DnsNames,
    Flag,
    Image,
    LabelKey,
    LabelValue,
    Quantity,
    Raw,
    RawList,
    Resources,
    Retry,
    SelectorValue,
    Word,
)


def _switch(value: Any) -> Any:
    """`true` asks for it with its defaults, `false` for none."""
    return ({} if value else None) if isinstance(value, bool) else value


class TolerationWritten(Section):
    """A taint of nodes that the pod puts up with."""

    key: Annotated[LabelKey | None, Field(description="Key of the taint; left out with `Exists`: every taint.")] = None
    operator: Annotated[
        Literal["Equal", "Exists"] | None, Field(description="`Equal` (Kubernetes' default) or `Exists`.")
    ] = None
    value: Annotated[SelectorValue | None, Field(description="Value of the taint, with `Equal`.")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None,
        Field(description="Effect of the taint; left out: every effect."),
    ] = None
    seconds: Annotated[
        Annotated[StrictInt, Field(ge=0)] | None,
        Field(description="Seconds that the pod stays on a node tainted `NoExecute`; left out: for ever."),
    ] = None


class AzureWritten(Section):
    """Microsoft Entra Workload ID: the service account carries the client ID."""

    token_expiration: Annotated[
        Annotated[StrictInt, Field(ge=3600, le=86_400)] | None,
        Field(description="Seconds until the token expires, 3600 to 86400."),
    ] = None


class AwsWritten(Section):
    """IAM roles for service accounts. Without `role_arn` the service account's own annotation counts."""

    role_arn: Annotated[
        Text | None, Field(description="ARN of the role; the token is mounted by us, so any cluster can do it.")
    ] = None
    audience: Annotated[Text, Field(description="Audience of the token, with `role_arn`.")] = "sts.amazonaws.com"
    token_expiration: Annotated[
        Annotated[StrictInt, Field(ge=600, le=86_400)],
        Field(description="Seconds until the token expires, 600 to 86400, with `role_arn`."),
    ] = 86_400
    region: Annotated[
        Text | None, Field(description="Region of the token service, as `AWS_REGION` and `AWS_DEFAULT_REGION`.")
    ] = None


class GkeWritten(Section):
    """Workload Identity Federation for GKE: the service account is bound to IAM."""

    metadata_server: Annotated[
        Flag,
        Field(description="Take only nodes with GKE's metadata server; not on Autopilot, which refuses the selector."),
    ] = False


class WorkloadIdentityWritten(Section):
    """Who the pod is for a cloud. Each needs `service_account`; EKS Pod Identity needs nothing but that."""

    azure: Annotated[Annotated[AzureWritten, BeforeValidator(_switch)] | None, BeforeValidator(_switch)] = None
    aws: Annotated[Annotated[AwsWritten, BeforeValidator(_switch)] | None, BeforeValidator(_switch)] = None
    gke: Annotated[Annotated[GkeWritten, BeforeValidator(_switch)] | None, BeforeValidator(_switch)] = None


class NodePodWritten(Section):
    """What a node may say of its pod: what its work needs. The order of the keys is that of the reference.

    A key that is not here says where the pod runs, as whom, or what it reaches, and belongs to the target.
    """

    image_name: Annotated[Image | None, Field(description="Image with Python: `registry/name:tag`. Must be given.")] = (
        None
    )
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None, Field(description="When the node pulls the image.")
    ] = None
    python: Annotated[Text, Field(description="The Python program in the image; any Python 3.")] = "python"
    script_from: Annotated[
        Literal["env", "config_map", "image"],
        Field(
            description="How the script gets into the pod: compressed in a variable (at most 128 KiB), in a ConfigMap "
            "that is made with the pod and owned by it (at most 1 MiB), or it lies in the image at `script_path`."
        ),
    ] = "env"
    script_path: Annotated[Text | None, Field(description="Path of the script in the image.")] = None
    pod_cpu_guarantee: Annotated[
        Quantity | None, Field(description="Cores, requested and at most; where `requests`, `limits` say nothing.")
    ] = None
    pod_memory_guarantee: Annotated[
        Quantity | None, Field(description="Bytes, requested and at most; where `requests`, `limits` say nothing.")
    ] = None
    requests: Annotated[
        Resources, Field(description="What the pod is sure to get: cpu, memory, ephemeral-storage, nvidia.com/gpu.")
    ] = Field(default_factory=dict)
    limits: Annotated[Resources, Field(description="What the pod gets at most; extended resources belong here.")] = (
        Field(default_factory=dict)
    )
    memory_ladder: Annotated[
        tuple[Quantity, ...],
        Field(description="Memory, requested and at most, of the tries after the pod ran out of it; rising."),
    ] = ()
    node_pool_selector_name: Annotated[LabelKey | None, Field(description="Label of nodes that names a pool.")] = None
    node_pool: Annotated[SelectorValue | None, Field(description="Pool of nodes, the label's value.")] = None
    node_selector: Annotated[dict[str, SelectorValue], Field(description="Labels that the node must have.")] = Field(
        default_factory=dict
    )
    tolerations: Annotated[tuple[TolerationWritten, ...], Field(description="Taints that the pod puts up with.")] = ()
    affinity: Annotated[Raw, Field(description="As Kubernetes writes it.")] = Field(default_factory=dict)
    topology_spread: Annotated[RawList, Field(description="Constraints, as Kubernetes writes them.")] = ()
    priority_class: Annotated[DnsName | None, Field(description="PriorityClass of the pod.")] = None
    labels: Annotated[dict[str, LabelValue], Field(description="Values are made safe.")] = Field(default_factory=dict)
    annotations: Annotated[dict[str, Word], Field(description="Any text, 256 KiB in all.")] = Field(
        default_factory=dict
    )
    env: Annotated[
        Any,
        Field(
            description="Variables: a mapping, or Kubernetes' list. Numbers, true, false, lists and mappings arrive as "
            "JSON text; `valueFrom` is kept as it is. Kubernetes replaces `$(NAME)`; for a `$(` write `$$(`."
        ),
    ] = None
    active_deadline: Annotated[
        Span | None, Field(description="Seconds after which Kubernetes ends the pod, its start-up included.")
    ] = None
    startup_timeout: Annotated[Span, Field(description="Seconds until the pod must run.")] = 1200
    on_finish_action: Annotated[
        Literal["delete_pod", "delete_succeeded_pod", "delete_active_pod", "keep_pod"],
        Field(description="What becomes of the pod."),
    ] = "delete_pod"
    deferrable: Annotated[Flag, Field(description="Wait in the triggerer, without a slot of a worker.")] = False
    xcom: Annotated[
        Flag, Field(description="Push what the script writes to /airflow/xcom/return.json; its own container sends it.")
    ] = True
    logs: Annotated[Flag, Field(description="Copy the script's output into the task's log.")] = True
    log_every: Annotated[
        Duration, Field(description="Seconds between two looks at the log of a deferred pod; 0: only at its end.")
    ] = 60
    log_containers: Annotated[
        DnsNames, Field(description="Whose output is copied besides the script's: sidecars and init containers.")
    ] = ()
    log_events: Annotated[Flag, Field(description="Tell the pod's events when it fails.")] = True
    log_pod: Annotated[Flag, Field(description="Print the whole pod when it fails: 300 lines and more.")] = False
    retry_script: Annotated[
        Retry,
        Field(description="Try again when the script itself fails: true, or the exit codes for which it helps."),
    ] = False


class TargetWritten(NodePodWritten):
    """A `kubernetes` target."""

    type: Annotated[Literal["kubernetes"], Field(description="Says that the target is none of dbt's.")] = "kubernetes"
    schema_: Annotated[Text | None, Field(alias="schema", description="For dbt, which wants one; unused here.")] = None
    image_pull_secrets: Annotated[DnsNames, Field(description="Secrets with the registry's login.")] = ()
    namespace: Annotated[DnsLabel | None, Field(description="Left out: that of the connection, else Airflow's.")] = None
    kubernetes_conn_id: Annotated[Text | None, Field(description="Airflow connection to the cluster.")] = None
    config_file: Annotated[Text | None, Field(description="Path of a kubeconfig, on the worker.")] = None
    context: Annotated[Text | None, Field(description="Context of the kubeconfig.")] = None
    in_cluster: Annotated[
        Flag | None, Field(description="The cluster that Airflow runs in. Left out: that one, else the kubeconfig's.")
    ] = None
    runtime_class: Annotated[DnsName | None, Field(description="RuntimeClass of the pod, such as gVisor's.")] = None
    service_account: Annotated[DnsName | None, Field(description="Service account; left out: `default`.")] = None
    mount_service_account_token: Annotated[
        Flag | None,
        Field(description="Whether the script can talk to the cluster's API; left out: Kubernetes decides."),
    ] = None
    workload_identity: Annotated[WorkloadIdentityWritten, Field(description="Who the pod is for a cloud.")] = Field(
        default_factory=WorkloadIdentityWritten
    )
    env_from: Annotated[RawList, Field(description="`configMapRef`, `secretRef`, `prefix`, as in Kubernetes.")] = ()
    volumes: Annotated[RawList, Field(description="Volumes of any kind, as Kubernetes writes them.")] = ()
    mounts: Annotated[RawList, Field(description="Where volumes appear: `volumeMounts` of Kubernetes.")] = ()
    security_defaults: Annotated[
        Flag, Field(description="No privilege escalation, no capabilities, the runtime's seccomp; yours win.")
    ] = True
    run_as_non_root: Annotated[Flag, Field(description="Refuse to run as root; the image must name a user.")] = False
    read_only_root: Annotated[Flag, Field(description="Only mounts and an empty /tmp can be written to.")] = False
    security_context: Annotated[Raw, Field(description="Of the container, as Kubernetes writes it.")] = Field(
        default_factory=dict
    )
    pod_security_context: Annotated[Raw, Field(description="Of the pod, as Kubernetes writes it.")] = Field(
        default_factory=dict
    )
    init_containers: Annotated[RawList, Field(description="Run before the script, one after another.")] = ()
    sidecars: Annotated[
        RawList,
        Field(description="Run beside the script, end with it, and start after `init_containers` (native sidecars)."),
    ] = ()
    pod: Annotated[
        Raw, Field(description="`metadata` and `spec` of a pod for all else, merged by names; it wins over the keys.")
    ] = Field(default_factory=dict)
