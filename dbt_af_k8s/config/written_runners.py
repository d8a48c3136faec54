"""`runners:` as a person writes it: one section per runner, told apart by `type`."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

from dbt_af_k8s.config.fields import Flag, Section, Span, Text
from dbt_af_k8s.config.settings_runners import DbtApiOptions, EksPodOptions, GkePodOptions, KubernetesPodOptions
from dbt_af_k8s.config.wording import listed

_API, _POD, _GKE, _EKS = DbtApiOptions(), KubernetesPodOptions(), GkePodOptions(), EksPodOptions()


class LocalRunnerConfig(Section):
    """dbt runs on Airflow's worker itself, as a process of the task."""

    type: Annotated[Literal["local"], Field(description="The runner.")]
    dbt: Annotated[
        Text | None,
        Field(description="The dbt program: a name on the PATH, or the path of another virtual environment's dbt."),
    ] = None


class DbtApiRunnerConfig(Section):
    """dbt runs behind an HTTP server: `dbt-af-k8s serve`, or another one with the API of dbt's own server."""

    type: Annotated[Literal["dbt_api"], Field(description="The runner.")]
    conn_id: Annotated[
        Text, Field(description="Airflow connection of type HTTP with the server's address and credentials.")
    ] = _API.conn_id
    project_dir: Annotated[
        Text | None,
        Field(description="The project, as the server calls it (`project_dir`). Not given: the server's only one."),
    ] = None
    poke: Annotated[Span, Field(description="Time between two looks at a long run; the first ones come sooner.")] = (
        _API.poke
    )
    request_timeout: Annotated[Span, Field(description="Longest time of one request.")] = _API.request_timeout
    patience: Annotated[
        Span, Field(description="How long the server may be out of reach before the task's try fails.")
    ] = _API.patience
    deferrable: Annotated[
        Flag, Field(description="Wait in the triggerer, which takes no worker slot. Needs a running triggerer.")
    ] = _API.deferrable


class _PodRunnerConfig(Section):
    """What runners of dbt in pods have in common."""

    pod: Annotated[
        dict[str, Any],
        Field(
            description="The pod, by the keys of a target of type `kubernetes`: `image_name` (must be given), "
            "namespace, resources, env, volumes and all others but those about scripts."
        ),
    ] = Field(default_factory=dict)
    project_dir: Annotated[Text, Field(description="Folder of the dbt project in the image.")] = _POD.project_dir
    profiles_dir: Annotated[
        Text | None, Field(description="Folder of profiles.yml in the image, or a volume. Not given: as dbt finds it.")
    ] = None
    manifest: Annotated[
        Text | None,
        Field(description="The image's manifest, below its project. Not given: in the target folder."),
    ] = None
    dbt: Annotated[
        Text | None, Field(description="The dbt program in the image. Not given: the one beside the image's Python.")
    ] = None
    conn_id: Annotated[
        Text | None,
        Field(
            description="Airflow connection that becomes the pod's profiles.yml, in a Secret that the pod owns and "
            "mounts in memory. Not given: the image's profiles.yml counts."
        ),
    ] = None
    output: Annotated[
        dict[str, Any],
        Field(description="With `conn_id`: keys of the profile's output besides the connection's, such as `schema`."),
    ] = Field(default_factory=dict)


class KubernetesPodRunnerConfig(_PodRunnerConfig):
    """dbt runs in a pod, in the cluster of a connection, a kube config, or Airflow itself."""

    type: Annotated[Literal["kubernetes_pod"], Field(description="The runner.")]


class GkePodRunnerConfig(_PodRunnerConfig):
    """dbt runs in a pod of a cluster of Google's Kubernetes Engine. Needs the extra `gke`."""

    type: Annotated[Literal["gke_pod"], Field(description="The runner.")]
    project_id: Annotated[Text, Field(description="Google Cloud project.")]
    location: Annotated[Text, Field(description="Zone or region of the cluster.")]
    cluster_name: Annotated[
        Text, Field(description="The cluster; with `create`, what the names of the clusters begin with.")
    ]
    gcp_conn_id: Annotated[Text, Field(description="Airflow connection of type Google Cloud.")] = _GKE.gcp_conn_id
    impersonation_chain: Annotated[
        tuple[Text, ...], Field(description="Service accounts to act as, the last one in the end.")
    ] = ()
    use_internal_ip: Annotated[Flag, Field(description="Talk to the cluster's private address.")] = False
    use_dns_endpoint: Annotated[Flag, Field(description="Talk to the cluster's DNS endpoint.")] = False
    create: Annotated[
        dict[str, Any] | None,
        Field(
            description="Each run of a DAG makes a cluster before its pods and deletes it after them, also after a "
            "failure. The cluster as GKE's API writes it, without its name: `{autopilot: {enabled: true}}`."
        ),
    ] = None


class EksPodRunnerConfig(_PodRunnerConfig):
    """dbt runs in a pod of a cluster of Amazon's Elastic Kubernetes Service. Needs the extra `eks`."""

    type: Annotated[Literal["eks_pod"], Field(description="The runner.")]
    cluster_name: Annotated[Text, Field(description="The cluster.")]
    region: Annotated[Text | None, Field(description="AWS region. Not given: as AWS's own configuration says.")] = None
    aws_conn_id: Annotated[
        Text | None, Field(description="Airflow connection of type AWS; null: AWS's own configuration.")
    ] = _EKS.aws_conn_id


_ByType = Annotated[
    LocalRunnerConfig | KubernetesPodRunnerConfig | GkePodRunnerConfig | EksPodRunnerConfig | DbtApiRunnerConfig,
    Field(discriminator="type"),
]
#: Names of runners, in the order of the reference.
RUNNER_NAMES = tuple(get_args(made.model_fields["type"].annotation)[0] for made in get_args(get_args(_ByType)[0]))


#: Options of every runner; those that no section of a node has are the settings' own.
_OPTIONS = frozenset(name for made in get_args(get_args(_ByType)[0]) for name in made.model_fields if name != "type")


class _NodeRunnerSection(Section):
    """What a node says of its runner: how its work is done, and not where, from which paths, or as whom."""

    @model_validator(mode="before")
    @classmethod
    def _keeps_to_its_work(cls, written: Any) -> Any:
        far = sorted(_OPTIONS & written.keys() - cls.model_fields.keys()) if isinstance(written, dict) else []
        if far:
            reason = f"cannot set {listed(far)}: where dbt runs, paths and credentials are the settings' business"
            fix = f"Write {'it' if len(far) == 1 else 'them'} in a row of `runners` of the settings."
            raise PydanticCustomError("beyond_node", "{reason}", {"reason": reason, "fix": fix})
        return written


class NodeLocalRunnerConfig(_NodeRunnerSection):
    """dbt runs on Airflow's worker itself, as a process of the task."""

    type: Annotated[Literal["local"], Field(description="The runner.")]


class NodeDbtApiRunnerConfig(_NodeRunnerSection):
    """dbt runs behind the HTTP server that a row of `runners` names."""

    type: Annotated[Literal["dbt_api"], Field(description="The runner.")]
    poke: Annotated[Span, Field(description="As in the settings.")] = _API.poke
    request_timeout: Annotated[Span, Field(description="As in the settings.")] = _API.request_timeout
    patience: Annotated[Span, Field(description="As in the settings.")] = _API.patience
    deferrable: Annotated[Flag, Field(description="As in the settings.")] = _API.deferrable


class _NodePodRunnerConfig(_NodeRunnerSection):
    """What runners of dbt in pods have in common."""

    pod: Annotated[
        dict[str, Any],
        Field(description="Changes to the row's pod, by the keys that a node may use: memory, image, tolerations."),
    ] = Field(default_factory=dict)


class NodeKubernetesPodRunnerConfig(_NodePodRunnerConfig):
    """dbt runs in a pod, as a row of `runners` says."""

    type: Annotated[Literal["kubernetes_pod"], Field(description="The runner.")]


class NodeGkePodRunnerConfig(_NodePodRunnerConfig):
    """dbt runs in a pod of Google's Kubernetes Engine, in the cluster that a row of `runners` names."""

    type: Annotated[Literal["gke_pod"], Field(description="The runner.")]


class NodeEksPodRunnerConfig(_NodePodRunnerConfig):
    """dbt runs in a pod of Amazon's Elastic Kubernetes Service, in the cluster that a row of `runners` names."""

    type: Annotated[Literal["eks_pod"], Field(description="The runner.")]


_OfNodeByType = Annotated[
    NodeLocalRunnerConfig
    | NodeKubernetesPodRunnerConfig
    | NodeGkePodRunnerConfig
    | NodeEksPodRunnerConfig
    | NodeDbtApiRunnerConfig,
    Field(discriminator="type"),
]


class _NameAlone:
    """Says in the JSON schema that the name of a runner alone does as well."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(RUNNER_NAMES)}, handler(core)]}


def _from_name(written: Any) -> Any:
    return {"type": written} if isinstance(written, str) else written


#: A runner with its options, or its name alone.
RunnerConfig = Annotated[_ByType, BeforeValidator(_from_name), _NameAlone]
#: What a node says of its runner: no option must be given.
NodeRunnerConfig = Annotated[_OfNodeByType, BeforeValidator(_from_name), _NameAlone]


def given_options(written: RunnerConfig | NodeRunnerConfig) -> dict[str, Any]:
    """The options that were written, by name, as `settings_runners` has them."""
    return {name: getattr(written, name) for name in sorted(written.model_fields_set - {"type"})}
