"""The `kubernetes_job` target of profiles.yml as a user writes it, and what a node may change in `meta.kubernetes`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt

from dbt_af_k8s.config.fields import Duration, Flag, Section, Span, Text
from dbt_af_k8s.k8s.kinds import DnsLabel, DnsName, Quantity


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


class VolumeClaimWritten(Section):
    """A PersistentVolumeClaim that is made before the job and removed after it, also when the job fails."""

    name: Annotated[DnsLabel, Field(description="Name; the claim gets a suffix of its run, unless `keep`.")]
    size: Annotated[Quantity, Field(description="Bytes that are asked for: `10Gi`.")]
    storage_class: Annotated[DnsName | None, Field(description="Left out: the cluster's default class.")] = None
    access_modes: Annotated[
        tuple[AccessMode, ...], BeforeValidator(_one_or_many), Field(min_length=1, description="As in Kubernetes.")
    ] = ("ReadWriteOnce",)
    keep: Annotated[
        Flag, Field(description="Never remove it, name it as it is called here, and use the one that is there.")
    ] = False


class NodeJobWritten(Section):
    """What a node may say of its job: what its work needs. The order of the keys is that of the reference.

    A key that is not here says where the job runs or where files lie, and belongs to the target.
    """

    template: Annotated[
        Text | None,
        Field(description="Template of the job: a name in a search path, or (in profiles.yml) a full path."),
    ] = None
    template_fields: Annotated[
        dict[str, Any],
        Field(
            description="Variables of the template, as they are: no templates themselves. A node's are added key by "
            "key."
        ),
    ] = Field(default_factory=dict)
    name_suffix: Annotated[Flag, Field(description="End the job's name in a mark of run and task.")] = True
    tail_logs: Annotated[Flag | None, Field(description="Copy the pods' output into the task's log.")] = None
    tail_logs_every: Annotated[
        Span | None, Field(description="Seconds between two looks (10); implies `tail_logs`.")
    ] = None
    tail_logs_line_count: Annotated[
        Annotated[StrictInt, Field(ge=1)] | None,
        Field(description="Most lines of a container at one look (all); implies `tail_logs`."),
    ] = None
    tail_logs_only_at_end: Annotated[
        Flag | None, Field(description="Look only when the job is over; implies `tail_logs`.")
    ] = None
    delete_completed: Annotated[Flag, Field(description="Delete the job when it has succeeded.")] = False
    on_kill_action: Annotated[
        Literal["delete", "suspend", "keep"], Field(description="What becomes of the job of a killed task.")
    ] = "delete"
    poll_every: Annotated[Span, Field(description="Seconds between two looks at the job.")] = 5
    startup_timeout: Annotated[Duration, Field(description="Seconds until a pod must run; 0: for ever.")] = 1200
    deferrable: Annotated[Flag, Field(description="Wait in the triggerer, without a slot of a worker.")] = False
    volume_claim: Annotated[
        VolumeClaimWritten | None, Field(description="A claim for the job; templates know it as `volume_claim`.")
    ] = None


class JobTargetWritten(NodeJobWritten):
    """A `kubernetes_job` target."""

    type: Annotated[Literal["kubernetes_job"], Field(description="Says that the target is none of dbt's.")] = (
        "kubernetes_job"
    )
    schema_: Annotated[Text | None, Field(alias="schema", description="For dbt, which wants one; unused here.")] = None
    search_paths: Annotated[
        tuple[Text, ...],
        BeforeValidator(_one_or_many),
        Field(description="Folders with templates, before the project's own: relative to it, or absolute."),
    ] = ()
    namespace: Annotated[DnsLabel | None, Field(description="Left out: the template's, else the connection's.")] = None
    kubernetes_conn_id: Annotated[Text | None, Field(description="Airflow connection to the cluster.")] = None
    config_file: Annotated[Text | None, Field(description="Path of a kubeconfig, on the worker.")] = None
    context: Annotated[Text | None, Field(description="Context of the kubeconfig.")] = None
    in_cluster: Annotated[
        Flag | None, Field(description="The cluster that Airflow runs in. Left out: that one, else the kubeconfig's.")
    ] = None
    write_rendered_to: Annotated[
        Text | None,
        Field(
            description="Path on the worker for the rendered YAML. Where it holds Airflow's templates, it stays below "
            "the folder before the first one."
        ),
    ] = None
