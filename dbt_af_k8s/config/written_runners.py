"""`runners:` as a person writes it: one section per runner, told apart by `type`."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from dbt_af_k8s.config.fields import Flag, Section, Span, Text
from dbt_af_k8s.config.settings_runners import DbtApiOptions

_API = DbtApiOptions()


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


class KubernetesPodRunnerConfig(Section):
    """dbt runs in a pod."""

    type: Annotated[Literal["kubernetes_pod"], Field(description="The runner.")]


class GkePodRunnerConfig(Section):
    """dbt runs in a pod of a cluster of Google's Kubernetes Engine."""

    type: Annotated[Literal["gke_pod"], Field(description="The runner.")]


class EksPodRunnerConfig(Section):
    """dbt runs in a pod of a cluster of Amazon's Elastic Kubernetes Service."""

    type: Annotated[Literal["eks_pod"], Field(description="The runner.")]


_ByType = Annotated[
    LocalRunnerConfig | KubernetesPodRunnerConfig | GkePodRunnerConfig | EksPodRunnerConfig | DbtApiRunnerConfig,
    Field(discriminator="type"),
]
#: Names of runners, in the order of the reference.
RUNNER_NAMES = tuple(get_args(made.model_fields["type"].annotation)[0] for made in get_args(get_args(_ByType)[0]))


class _NameAlone:
    """Says in the JSON schema that the name of a runner alone does as well."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(RUNNER_NAMES)}, handler(core)]}


def _from_name(written: Any) -> Any:
    return {"type": written} if isinstance(written, str) else written


#: A runner with its options, or its name alone.
RunnerConfig = Annotated[_ByType, BeforeValidator(_from_name), _NameAlone]


def given_options(written: RunnerConfig) -> dict[str, Any]:
    """The options that were written, by name, as `settings_runners` has them."""
    return {name: getattr(written, name) for name in sorted(written.model_fields_set - {"type"})}
