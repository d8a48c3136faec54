"""Written callbacks and integrations -> resolved ones. Things to call become names."""

from dbt_af_k8s.config.callables import DEADLINE_KEY, callback_key, name_of_callback, provider_key
from dbt_af_k8s.config.problems import dotted
from dbt_af_k8s.config.settings_integrations import (
    EVENTS,
    MONTE_CARLO,
    TABLEAU,
    Callbacks,
    CallbackSettings,
    Deadline,
    ExposureRule,
    IntegrationSettings,
    Provider,
)
from dbt_af_k8s.config.wording import choose_from, quoted
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.config.written_callbacks import DagCallbacksConfig, DeadlineConfig, TaskCallbacksConfig
from dbt_af_k8s.errors import Issue, error

#: Task kinds that can have callbacks of their own.
CALLBACK_KINDS = ("run", "seed", "snapshot", "test", "wait", "freshness", "maintenance", "endpoint", "refresh")
#: What `airflow-mcd` has to be called; its dicts `dag_callbacks` and `task_callbacks` name the same.
_MCD = "airflow_mcd.callbacks.mcd_callbacks.mcd"
_MCD_DAG = Callbacks(on_success=(f"{_MCD}_dag_success_callback",), on_failure=(f"{_MCD}_dag_failure_callback",))
_MCD_TASK = Callbacks(
    on_execute=(f"{_MCD}_task_execute_callback",),
    on_success=(f"{_MCD}_task_success_callback",),
    on_failure=(f"{_MCD}_task_failure_callback",),
    on_retry=(f"{_MCD}_task_retry_callback",),
)


def resolve_callbacks(config: Config) -> CallbackSettings:
    """What is called, by name."""
    written = config.callbacks
    dag, every = _named("dag", written.dag), _named("task", written.task)
    if config.integrations.monte_carlo.callbacks:
        dag, every = dag.then(_MCD_DAG), every.then(_MCD_TASK)
    by_kind = {kind: every.then(_named(kind, getattr(written, kind))) for kind in CALLBACK_KINDS}
    tasks = {kind: callbacks for kind, callbacks in by_kind.items() if callbacks != Callbacks()}
    return CallbackSettings(dag, tasks, _deadline(written.dag.deadline))


def resolve_integrations(config: Config, file: str, issues: list[Issue]) -> IntegrationSettings:
    """Providers by name, and which exposures they refresh."""
    written = config.integrations
    tableau = {"connection": written.tableau.connection, "timeout": written.tableau.timeout}
    if written.tableau.site is not None:
        tableau["site"] = written.tableau.site
    providers = {TABLEAU: Provider(TABLEAU, tableau)}
    for name, call in written.providers.items():
        if name in (TABLEAU, MONTE_CARLO):
            message = f"{quoted(name)} is the name of a provider of this library."
            key = dotted(("integrations", "providers", name))
            issues.append(error("bad-setting", message, "Give yours another name.", file=file, key=key))
            continue
        providers[name] = Provider(name_of_callback(call, provider_key(name)))
    rules = []
    for position, row in enumerate(written.exposures):
        if row.provider not in providers:
            message = f"There is no provider {quoted(row.provider)}."
            key = f"integrations.exposures[{position}].provider"
            issues.append(error("bad-setting", message, choose_from(row.provider, providers), file=file, key=key))
            continue
        when = row.when
        rules.append(ExposureRule(row.provider, when.type, when.tag, when.name, row.resource))
    return IntegrationSettings(
        providers=providers,
        exposures=tuple(rules),
        artifacts=_artifacts(config),
        artifacts_required=written.monte_carlo.required,
    )


def _artifacts(config: Config) -> Provider | None:
    written = config.integrations.monte_carlo
    if not written.artifacts:
        return None
    options = {"connection": written.connection}
    if written.warehouse is not None:
        options["warehouse"] = written.warehouse
    return Provider(MONTE_CARLO, options)


def _named(part: str, section: DagCallbacksConfig | TaskCallbacksConfig) -> Callbacks:
    return Callbacks(
        *(
            tuple(
                name_of_callback(value, callback_key(part, event, position))
                for position, value in enumerate(getattr(section, event, ()))
            )
            for event in EVENTS
        )
    )


def _deadline(written: DeadlineConfig | None) -> Deadline | None:
    if written is None:
        return None
    return Deadline(written.after, written.reference, name_of_callback(written.call, DEADLINE_KEY), written.arguments)
