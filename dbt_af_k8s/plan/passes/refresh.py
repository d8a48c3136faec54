"""Refreshes after a model: which there are, in which DAG, and their tasks. Nothing comes after them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.graph.placement import last_of
from dbt_af_k8s.manifest.values import Exposure
from dbt_af_k8s.names import IdBook, legal_id
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.add_waits import Draft
from dbt_af_k8s.plan.passes.airflow_fields import fields_of_refresh, owner_of
from dbt_af_k8s.plan.passes.connect import Before, Connector
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.passes.layout import DagLayout, Layout, name_of
from dbt_af_k8s.plan.passes.read_refresh import refresh_of_exposure, refresh_of_node
from dbt_af_k8s.plan.values import RefreshPlan, TaskKind, TaskPlan


@dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh in its DAG."""

    plan: RefreshPlan
    #: As in its task id: `refresh__<name>`.
    name: str
    #: Of a node: the task after which the node is done, and the node's task group.
    done: str | None = None
    group: str | None = None
    #: Of an exposure: the nodes and tested sources that it is made from.
    parents: tuple[str, ...] = ()
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Refreshes:
    """All refreshes of a project."""

    by_dag: Mapping[str, tuple[Refresh, ...]]
    #: The DAG of each exposure that is refreshed.
    placed: Mapping[str, DagLayout]
    #: Exposures that ask for a refresh and get none, with the reason.
    left_out: Mapping[str, str]
    issues: tuple[Issue, ...]


def decide_refreshes(
    inputs: PlanInputs, decisions: Decisions, layout: Layout, left_out: Mapping[str, str]
) -> Refreshes:
    """Refreshes of nodes go where the node is, those of exposures where the last of the exposure's parents is.

    Last is what it is for tests: a scheduled one before a manual one, then the larger depth, then the larger unique_id.
    """
    found: dict[str, list[Refresh]] = {}
    placed: dict[str, DagLayout] = {}
    reasons: dict[str, str] = {}
    issues: list[Issue] = []
    for key, tasks in layout.tasks_of.items():
        decision = decisions.nodes[key]
        if decision.settings.tableau_refresh_tasks:
            plan = refresh_of_node(key, decision.settings.tableau_refresh_tasks, inputs.settings.integrations)
            owner = owner_of(inputs, decision)
            refresh = Refresh(plan, name_of(inputs, key), done=tasks.done, group=tasks.group, owner=owner)
            found.setdefault(layout.dag_of[key].dag_id, []).append(refresh)
    for key, exposure in sorted(inputs.manifest.exposures.items()):
        wanted = refresh_of_exposure(exposure, inputs.settings.integrations)
        issues += wanted.issues
        if wanted.issues:
            reasons[key] = "its refresh has errors"
        elif wanted.refresh is not None:
            parents = decisions.graph.built_from(exposure.parents)
            last = last_of(parents, decisions.graph, decisions.manual)
            if last is None:
                reasons[key] = "no model, seed or snapshot stands behind it"
            elif last in left_out:
                reasons[key] = f"the last of its parents, {last}, is left out"
            else:
                placed[key] = layout.dag_of[last]
                refresh = Refresh(wanted.refresh, legal_id(exposure.name), parents=_behind(exposure, parents, layout))
                found.setdefault(placed[key].dag_id, []).append(refresh)
    return Refreshes({dag_id: tuple(each) for dag_id, each in found.items()}, placed, reasons, tuple(issues))


def refresh_drafts(
    inputs: PlanInputs, connector: Connector, dag: DagLayout, refreshes: Sequence[Refresh], drafts: Sequence[Draft]
) -> list[Draft]:
    """The tasks of a DAG's refreshes; `drafts` are its other tasks, whose ids are taken."""
    book = IdBook({*dag.ids, *(draft.task.task_id for draft in drafts)})
    return [_draft(inputs, connector, dag, refresh, book) for refresh in refreshes]


def _draft(inputs: PlanInputs, connector: Connector, dag: DagLayout, refresh: Refresh, book: IdBook) -> Draft:
    of = refresh.plan.of
    fields = fields_of_refresh(inputs, refresh.name, dag.domain, refresh.owner)
    is_of_node = refresh.done is not None
    if refresh.done is not None:
        before = Before((refresh.done,))
        because = f"`tableau_refresh_tasks` of {of}: after the node is done; nothing waits for it"
    else:
        before = connector.before(of, dag, refresh.parents)
        because = "placed with the last of its parents, and after all of them; nothing waits for it"
    task = TaskPlan(
        task_id=book.claim(f"refresh__{refresh.name}", of),
        kind=TaskKind.REFRESH,
        nodes=() if is_of_node else (of,),
        group=refresh.group,
        because=because,
        pool=fields.pool,
        queue=fields.queue,
        executor=fields.executor,
        executor_config=fields.executor_config,
        priority_weight=fields.priority_weight,
        retry=fields.retry,
        owner=fields.owner,
        refresh=refresh.plan,
    )
    return Draft(task, before)


def _behind(exposure: Exposure, parents: Sequence[str], layout: Layout) -> tuple[str, ...]:
    """Its nodes, and those of its sources that have tests to wait for."""
    tested = [key for key in exposure.parents if key not in parents and key in layout.done_of]
    return (*parents, *tested)
