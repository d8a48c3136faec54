"""What an Airflow task tells a dbt server of itself: its try, its connection, and how it waits."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from dbt_af_k8s.airflow.api.address import Address, ApiRefusedError, address_of
from dbt_af_k8s.airflow.api.place import ApiPlace, Try, Waiting
from dbt_af_k8s.airflow.api.trigger import DbtApiTrigger
from dbt_af_k8s.airflow.tries import first_try
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.api import InvocationName, LogPosition


def api_place(
    operator: BaseOperator,
    context: Mapping[str, Any],
    options: DbtApiOptions,
    resumed: Mapping[str, Any] | None = None,
    *,
    part: str = "",
) -> ApiPlace:
    """The dbt server as the place of one try. `resumed` is what the task kept while it was deferred.

    With a `part`, for one of several invocations of a try, the worker waits itself.
    """

    def defer(waiting: Waiting) -> None:
        trigger = DbtApiTrigger.of(options, waiting.name, waiting.position, waiting.deadline)
        operator.defer(trigger=trigger, method_name="resume", kwargs=waiting.kept())

    limit = operator.execution_timeout
    waiting = None if resumed is None else _waiting(resumed, operator)
    return ApiPlace(
        _address(options.conn_id, operator),
        options,
        try_of(context, operator, part),
        operator.log,
        defer=defer if options.deferrable and not part and not _in_trouble(resumed) else None,
        waiting=waiting,
        time_limit=None if limit is None else limit.total_seconds(),
        on_artifacts=getattr(operator, "hand_over", None) if getattr(operator, "artifacts", None) else None,
    )


def _address(conn_id: str, operator: BaseOperator) -> Address:
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ApiRefusedError(
            f"There is no Airflow connection `{conn_id}`, which the runner dbt_api names in `conn_id`. Make one of "
            "type HTTP with the dbt server's address, or name another."
        ) from None
    address = address_of(connection)
    if address.is_overheard:
        operator.log.warning(
            "The connection %s sends its credentials to %s unencrypted. Write https:// before its host.",
            conn_id,
            address.url,
        )
    return address


def try_of(context: Mapping[str, Any], operator: BaseOperator, part: str = "") -> Try:
    """Which try asks."""
    from airflow.sdk.configuration import conf

    instance = context["ti"]
    index = getattr(instance, "map_index", -1)
    name = InvocationName(
        instance.dag_id,
        instance.task_id,
        instance.run_id,
        -1 if index is None else int(index),
        # Two Airflows that share a server may have the same DAG, and then runs of the same id.
        conf.get("api", "base_url", fallback=""),
    )
    return Try(name, int(instance.try_number), first_try(instance, operator.retries), part)


def _in_trouble(resumed: Mapping[str, Any] | None) -> bool:
    """Whether the triggerer could not do its part."""
    return resumed is not None and bool(resumed["event"].get("trouble"))


def _waiting(resumed: Mapping[str, Any], operator: BaseOperator) -> Waiting:
    event = resumed["event"]
    if _in_trouble(resumed):
        operator.log.warning("The triggerer could not see the end: %s. The task looks itself.", event["trouble"])
    kept = Waiting.of(resumed)
    position = event.get("position")
    return kept if position is None else Waiting(kept.name, LogPosition(**position), kept.deadline)
