"""The settings of other systems that hear of a model, as a person writes them."""

from typing import Annotated, Any

from pydantic import Field

from dbt_af_k8s.config.fields import Flag, Section, Span, Text, Texts
from dbt_af_k8s.config.written_callbacks import Callback


class TableauConfig(Section):
    """How Tableau is reached. Address and credentials stand in the Airflow connection alone."""

    connection: Annotated[
        Text,
        Field(
            description="Id of the Airflow connection: host, and either login and password, or `token_name` and "
            "`personal_access_token` in its extra."
        ),
    ] = "tableau_default"
    site: Annotated[
        str | None,
        Field(description="The site's name in its address. Not given: `site_id` of the connection's extra."),
    ] = None
    timeout: Annotated[Span, Field(description="Longest time of one call.")] = 60


class MonteCarloConfig(Section):
    """What Monte Carlo hears of runs. Needs the extra `monte-carlo`."""

    callbacks: Annotated[
        Flag,
        Field(
            description="Whether the callbacks of `airflow-mcd` are added to all DAGs and tasks. They use the Airflow "
            "connection `mcd_gateway_default_session`, else `mcd_default_session`."
        ),
    ] = False
    artifacts: Annotated[
        Flag, Field(description="Whether each dbt task sends dbt's manifest and results of its run.")
    ] = False
    connection: Annotated[Text, Field(description="Id of the Airflow connection by which artefacts are sent.")] = (
        "mcd_default_session"
    )
    warehouse: Annotated[
        Text | None,
        Field(description="Name or UUID of the warehouse in Monte Carlo. Not given: the only one of the account."),
    ] = None
    required: Annotated[
        Flag, Field(description="Whether a task fails where its artefacts cannot be sent. Else a warning in its log.")
    ] = False


class ExposureConditionConfig(Section):
    """Which exposures a row is for; all conditions that are given must fit."""

    type: Annotated[Texts, Field(description="Types of exposure (`dashboard`). Not given: all.")] = ()
    tag: Annotated[Texts, Field(description="Tags, shell-style patterns; one must fit. Not given: all.")] = ()
    name: Annotated[Texts, Field(description="Names, shell-style patterns. Not given: all.")] = ()


class ExposureConfig(Section):
    """Exposures that are refreshed after their models; the first row that fits an exposure counts."""

    when: ExposureConditionConfig = Field(
        default_factory=ExposureConditionConfig, description="Which exposures the row is for. Not given: all."
    )
    provider: Annotated[Text, Field(description="`tableau`, or a name of `integrations.providers`.")]
    resource: Annotated[
        dict[str, Any],
        Field(description="What the provider needs to know; keys of the exposure's own `refresh` go over it."),
    ] = Field(default_factory=dict)


class IntegrationsConfig(Section):
    """Other systems that hear of a model when it is done."""

    tableau: TableauConfig = Field(default_factory=TableauConfig)
    monte_carlo: MonteCarloConfig = Field(default_factory=MonteCarloConfig)
    providers: Annotated[
        dict[Text, Callback],
        Field(
            description="Providers of your own by name: the dotted path of a class or function that is called without "
            "arguments and gives a `Refresher`."
        ),
    ] = Field(default_factory=dict)
    exposures: Annotated[tuple[ExposureConfig, ...], Field(description="Rows of exposures that are refreshed.")] = ()
