"""The steps of a backfill: settle what the form asks for, run a node for the chunk, start the next chunk."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, DagRunTriggerException

from dbt_af_k8s.airflow.dbt_operator import DbtOperator
from dbt_af_k8s.airflow.interval import span_text
from dbt_af_k8s.airflow.scripts.run import chosen_in
from dbt_af_k8s.airflow.skips import skip_not_due
from dbt_af_k8s.dbt.run_options import term_problems
from dbt_af_k8s.errors import DbtAfK8sError, FormError, ProjectError, UsageError
from dbt_af_k8s.plan.backfill.form import BackfillForm, next_form, read_backfill_form, this_chain
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.schedule.chunks import first_chunk
from dbt_af_k8s.schedule.values import Interval

if TYPE_CHECKING:
    from dbt_af_k8s.plan.build import Build

#: Longest part of the first run's id that the ids of the following chunks begin with; Airflow allows 250 letters.
_LONGEST_ORIGIN = 180


class BackfillFormError(AirflowFailException, DbtAfK8sError):
    """The form of the backfill, or the project, does not let it run. Airflow does not retry."""


class BackfillChooseOperator(BaseOperator):
    """Reads the whole form, finds the nodes that it selects, and cuts off the first chunk.

    `request` says where the project lies, `domain` and `members` (unique_ids) what the DAG can run, and `timezone`
    (IANA name) where days begin. Returns `start` and `end` of the chunk, its `number` of `chunks`, the selected
    `nodes` (None: all of the DAG), `vars`, `full_refresh`, and `next`: the form and the run id of the next chunk, or
    None. Everything that is wrong with the form is told at once, by `BackfillFormError`.
    """

    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        task_id: str,
        request: PlanRequest,
        domain: str,
        members: Sequence[str],
        timezone: str,
        **base: Any,
    ) -> None:
        super().__init__(task_id=task_id, **base)
        self.request = request
        self.domain = domain
        self.members = tuple(members)
        self.timezone = timezone

    def execute(self, context: Any) -> dict[str, Any]:
        """Settle what this run does."""
        # Planning is imported where it is done: a parse of the DAG file needs none of it.
        from dbt_af_k8s.plan.project import build_project

        values = context.get("params") or {}
        try:
            built = build_project(self.request, os.environ)
            form, nodes = self._read(values, built)
        except (FormError, ProjectError) as error:
            raise BackfillFormError(str(error)) from None
        chain = this_chain(form, context["dag_run"].run_id, self.timezone)
        chunk = first_chunk(form.whole, form.chunk, self.timezone)
        following = next_form(form, chain, chunk)
        self.log.info(
            "Chunk %d of %d, %s: %d of %d nodes",
            chain.number,
            chain.chunks,
            span_text(chunk),
            len(nodes),
            len(self.members),
        )
        return {
            "start": chunk.start.isoformat(),
            "end": chunk.end.isoformat(),
            "number": chain.number,
            "chunks": chain.chunks,
            "nodes": None if len(nodes) == len(set(self.members)) else sorted(nodes),
            "vars": dict(form.variables),
            "full_refresh": form.full_refresh,
            "next": None
            if following is None
            else {"run_id": chunk_run_id(chain.of, chain.number + 1, chunk.end), "form": following},
        }

    def _read(self, values: Mapping[str, Any], built: "Build") -> tuple[BackfillForm, frozenset[str]]:
        """The form and the nodes that it selects. `FormError` with what is wrong with either."""
        from dbt_af_k8s.plan.backfill.choice import choose_nodes

        form = None
        problems: tuple[str, ...] = ()
        try:
            form = read_backfill_form(values, self.timezone)
        except FormError as error:
            problems = error.problems
        terms = tuple(str(values.get("models") or "").split())
        try:
            nodes = choose_nodes(
                built,
                self.domain,
                self.members,
                tuple(term for term in terms if not term_problems((term,))),
                with_tests=values.get("with_tests") is True,
            )
        except FormError as error:
            raise FormError((*problems, *error.problems)) from None
        if form is None:
            raise FormError(problems)
        return form, nodes


class BackfillNodeOperator(DbtOperator):
    """A `DbtOperator` for the chunk of a backfill; skipped where the form does not ask for its nodes.

    `choose` is the id of the task that read the form. The other arguments are those of `DbtOperator`.
    """

    def __init__(self, *, choose: str, **base: Any) -> None:
        super().__init__(**base)
        self.choose = choose

    def interval(self, context: Mapping[str, Any]) -> Interval:
        """The chunk."""
        chosen = chosen_in(context, self.choose)
        return Interval(_utc(chosen["start"]), _utc(chosen["end"]))

    def execute(self, context: Any) -> dict[str, Any]:
        """Run dbt on what is selected, or skip."""
        interval = self.interval_or_fail(context)
        chosen = chosen_in(context, self.choose)
        wanted = chosen["nodes"]
        nodes = tuple(node for node in self.invocation.nodes if wanted is None or node.unique_id in wanted)
        if not nodes:
            skip_not_due(context, "the form of this backfill does not select it.")
        return self.build(
            context,
            interval,
            replace(self.invocation, nodes=nodes),
            variables={**(self.variables or {}), **chosen["vars"]},
            full_refresh=chosen["full_refresh"],
        )


class BackfillNextOperator(BaseOperator):
    """Starts the next chunk as another run of the same DAG, under an id of its own.

    Tried again or cleared, it finds that run and starts no second one. `choose` is the id of the task that read the
    form. In the last chunk it does nothing.
    """

    ui_color = "#dbe9f6"

    def __init__(self, *, task_id: str, choose: str, **base: Any) -> None:
        super().__init__(task_id=task_id, **base)
        self.choose = choose

    def execute(self, context: Any) -> None:
        """Start it, or say that all is done."""
        try:
            chosen = chosen_in(context, self.choose)
        except UsageError as error:
            raise BackfillFormError(str(error)) from None
        following = chosen["next"]
        if following is None:
            self.log.info("This was the last of %d chunks: the backfill is done.", chosen["chunks"])
            return
        _trigger(context["dag_run"].dag_id, following["run_id"], following["form"])


def chunk_run_id(origin: str, number: int, start: datetime) -> str:
    """The id of the run of a chunk that is not the first: always the same for the same first run and chunk."""
    if len(origin) > _LONGEST_ORIGIN:
        digest = hashlib.sha256(origin.encode()).hexdigest()[:12]
        origin = f"{origin[: _LONGEST_ORIGIN - 13]}-{digest}"
    return f"{origin}__chunk_{number:04}__{start:%Y%m%dT%H%M%SZ}"


def _trigger(dag_id: str, run_id: str, form: Mapping[str, Any]) -> NoReturn:
    """Ask Airflow's supervisor for a run. A run of this id that is there already is left alone: the task is skipped."""
    raise DagRunTriggerException(
        trigger_dag_id=dag_id,
        dag_run_id=run_id,
        conf=dict(form),
        logical_date=None,
        reset_dag_run=False,
        skip_when_already_exists=True,
        wait_for_completion=False,
        allowed_states=[],
        failed_states=[],
        poke_interval=60,
        deferrable=False,
    )


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
