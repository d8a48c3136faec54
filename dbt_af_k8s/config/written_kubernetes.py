"""The settings that all Kubernetes targets have in common, as a person writes them."""

from typing import Annotated

from pydantic import Field

from dbt_af_k8s.config.fields import Flag, Section, Text


class KubernetesConfig(Section):
    """What all targets of type `kubernetes` have in common; the targets themselves stand in profiles.yml."""

    airflow_identity_binding_selector: Annotated[
        Text | None,
        Field(description="Value of the pods' label `aadpodidbinding`: the identity that Azure gives them."),
    ] = None
    namespace: Annotated[Text | None, Field(description="Namespace of targets that name none.")] = None
    kubernetes_conn_id: Annotated[
        Text | None, Field(description="Airflow connection to the cluster of targets that name none.")
    ] = None
    local: Annotated[
        Flag,
        Field(description="Run scripts as processes of the worker and make no pod: for a machine without a cluster."),
    ] = False
