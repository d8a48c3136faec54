"""Every way to break a plan is found: mutation by mutation of a plan that passes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from building import inputs_of, model, project, seed, snapshot, test

from dbt_af_k8s.errors import error
from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.values import DagPlan, LeftOut, NotWaited, Plan, TaskKind, TaskPlan
from dbt_af_k8s.plan.verify import verify, violations

HOURLY = {"schedule": "@hourly"}
MANIFEST = project(
    seed("raw"),
    model("events", folder="web", meta=HOURLY),
    test("events_unique", "events"),
    test("events_not_null", "events"),
    model("inlined", "events", "seed.shop.raw", folder="web", materialized="ephemeral"),
    model("orders", "inlined"),
    test("orders_unique", "orders"),
    model("lines", "orders"),
    model("visits", folder="web", meta=HOURLY),
    test("lines_match_visits", "lines", "visits"),
    test("lines_big", "lines", tags=("@large",)),
    snapshot("history", "lines", meta={"dependencies": {"lines": {"skip": True}}}),
    model("by_hand", "orders", folder="ops", meta={"schedule": "@manual"}),
    model("reads_by_hand", "by_hand"),
)
PLAN = build_plan(inputs_of(MANIFEST, {"tests": {"per": "test"}}))

Mutation = Callable[[Plan], Plan]


def in_dag(dag_id: str, change: Callable[[DagPlan], DagPlan]) -> Mutation:
    assert PLAN.dag(dag_id) is not None
    return lambda plan: replace(plan, dags=tuple(change(dag) if dag.dag_id == dag_id else dag for dag in plan.dags))


def in_task(dag_id: str, task_id: str, change: Callable[[TaskPlan], TaskPlan]) -> Mutation:
    assert task_id in {task.task_id for task in PLAN.dag(dag_id).tasks}, task_id
    return in_dag(
        dag_id,
        lambda dag: replace(dag, tasks=tuple(change(task) if task.task_id == task_id else task for task in dag.tasks)),
    )


def setting(dag_id: str, task_id: str, /, **fields: object) -> Mutation:
    return in_task(dag_id, task_id, lambda task: replace(task, **fields))


def waiting(**fields: object) -> Mutation:
    """Change what the wait of sales for the web's events looks at."""
    return in_task(
        "sales__daily", "wait__events", lambda task: replace(task, waits_for=replace(task.waits_for, **fields))
    )


def without_edge(dag_id: str, task_id: str, upstream: str) -> Mutation:
    def change(task: TaskPlan) -> TaskPlan:
        assert upstream in task.upstream
        return replace(task, upstream=tuple(up for up in task.upstream if up != upstream))

    return in_task(dag_id, task_id, change)


def with_edge(dag_id: str, task_id: str, upstream: str) -> Mutation:
    return in_task(dag_id, task_id, lambda task: replace(task, upstream=(*task.upstream, upstream)))


def without_task(dag_id: str, task_id: str) -> Mutation:
    def change(dag: DagPlan) -> DagPlan:
        kept = tuple(task for task in dag.tasks if task.task_id != task_id)
        return replace(
            dag,
            tasks=tuple(replace(task, upstream=tuple(up for up in task.upstream if up != task_id)) for task in kept),
        )

    return in_dag(dag_id, change)


def moved(dag_id: str, task_id: str, to: str) -> Mutation:
    """A task in another DAG, as it stands but for what comes before it."""

    def change(plan: Plan) -> Plan:
        task = next(task for task in plan.dag(dag_id).tasks if task.task_id == task_id)
        plan = without_task(dag_id, task_id)(plan)
        return in_dag(to, lambda dag: replace(dag, tasks=(*dag.tasks, replace(task, upstream=()))))(plan)

    return change


def leaving_out(node: str, because: str = "why not") -> Mutation:
    return lambda plan: replace(plan, left_out=(*plan.left_out, LeftOut(node, because)))


def not_leaving_out(node: str) -> Mutation:
    return lambda plan: replace(plan, left_out=tuple(entry for entry in plan.left_out if entry.node != node))


def excused(dag_id: str, task_id: str, node: str, code: str) -> Mutation:
    """Drop all edges of a task, and say of one node why."""
    plan_task = next(task for task in PLAN.dag(dag_id).tasks if task.task_id == task_id)
    gap = NotWaited(node, plan_task.nodes[0], code, "so it is")
    return setting(dag_id, task_id, upstream=(), not_waited=(*plan_task.not_waited, gap))


def broken(dag_id: str, **fields: object) -> Mutation:
    """A DAG that says that it is broken and keeps its tasks."""
    return in_dag(dag_id, lambda dag: replace(dag, problems=(error("x", "x", "x"),), **fields))


def test_the_unchanged_plan_passes() -> None:
    assert violations(PLAN, MANIFEST) == ()
    verify(PLAN, MANIFEST)


def test_the_plan_has_what_the_mutations_change() -> None:
    tasks = {f"{dag.dag_id}.{task.task_id}": task for dag in PLAN.dags for task in dag.tasks}
    assert tasks["web__hourly.events__end"].kind is TaskKind.ENDPOINT
    assert tasks["sales__daily.wait__events"].waits_for.task_id == "events__end"
    assert tasks["sales__daily.orders"].upstream == ("wait__events", "wait__raw")
    assert tasks["sales__daily.lines"].upstream == ("orders_unique",)
    assert tasks["sales__daily.lines_match_visits"].upstream == ("lines", "wait__visits")
    assert [gap.code for gap in tasks["sales__daily.history"].not_waited] == ["skip"]
    assert [gap.code for gap in tasks["sales__daily.reads_by_hand"].not_waited] == ["manual"]


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "edge dropped": (
        without_edge("sales__daily", "lines", "orders_unique"),
        "model.shop.lines (`sales__daily.lines`) does not come after `orders_unique`, when model.shop.orders is done",
    ),
    "downstream before the tests": (
        setting("sales__daily", "lines", upstream=("orders",)),
        "does not come after `orders_unique`, when model.shop.orders is done",
    ),
    "wait dropped": (
        without_edge("sales__daily", "orders", "wait__events"),
        "model.shop.orders (`sales__daily.orders`) does not wait for model.shop.events of DAG `web__hourly`",
    ),
    "wait task dropped": (without_task("sales__daily", "wait__raw"), "does not wait for seed.shop.raw of DAG"),
    "test without its other parent": (
        without_edge("sales__daily", "lines_match_visits", "wait__visits"),
        "test.shop.lines_match_visits (`sales__daily.lines_match_visits`) does not wait for model.shop.visits",
    ),
    "test before its node": (
        setting("sales__daily", "orders_unique", upstream=()),
        "test.shop.orders_unique (`sales__daily.orders_unique`) does not come after model.shop.orders",
    ),
    "wait before the tests": (
        waiting(task_id="events"),
        "waits for `events` of DAG `web__hourly`; model.shop.events is done after `events__end`",
    ),
    "wait for one test only": (waiting(task_id="events_unique"), "model.shop.events is done after `events__end`"),
    "endpoint before a test": (
        without_edge("web__hourly", "events__end", "events_unique"),
        "several tasks test model.shop.events, and no endpoint in DAG `web__hourly` closes just these",
    ),
    "wait for another node's DAG": (
        waiting(dag_id="raw__daily", task_id="raw", cron="0 0 * * *"),
        "waits for model.shop.events in DAG `raw__daily`; it is in `web__hourly`",
    ),
    "wait for a DAG that is not there": (waiting(dag_id="gone"), "points to DAG `gone`, which does not exist"),
    "wait for a task that is not there": (waiting(task_id="gone"), "points to task `gone` of DAG `web__hourly`"),
    "wait for its own DAG": (waiting(dag_id="sales__daily", task_id="orders"), "points to its own DAG"),
    "wait for a DAG without schedule": (
        waiting(dag_id="ops__manual", task_id="by_hand", node="model.shop.by_hand"),
        "points to DAG `ops__manual`, which has no schedule",
    ),
    "wait in a DAG without schedule": (
        in_dag("sales__daily", lambda dag: replace(dag, schedule=None)),
        "is in a DAG without schedule",
    ),
    "wait for a node without task": (waiting(node="model.shop.inlined"), "waits for model.shop.inlined, which has no"),
    "wait by an unknown policy": (waiting(policy="some"), "has the policy `some`, which is none"),
    "wait with another cron": (waiting(cron="5 * * * *"), "takes the cron of DAG `web__hourly` for 5 * * * *; it is"),
    "wait in another zone": (waiting(timezone="Europe/Berlin"), "takes the timezone of DAG `web__hourly`"),
    "wait from another start": (waiting(start_date=datetime(2025, 1, 1, tzinfo=UTC)), "takes the start_date of DAG"),
    "wait with another catchup": (
        waiting(catchup=True),
        "takes the catchup of DAG `web__hourly` for True; it is False",
    ),
    "a calendar that cannot be read": (
        in_dag("sales__daily", lambda dag: replace(dag, schedule="0 0 32 * *")),
        "a calendar cannot be read",
    ),
    "a zone that is none": (in_dag("sales__daily", lambda dag: replace(dag, timezone="Mars")), "cannot be read"),
    "a start date without zone": (
        in_dag("sales__daily", lambda dag: replace(dag, start_date=dag.start_date.replace(tzinfo=None))),
        "its start date has no time zone",
    ),
    "upstream rescheduled": (
        in_dag("web__hourly", lambda dag: replace(dag, schedule="30 * * * *")),
        "takes the cron of DAG `web__hourly` for 0 * * * *; it is 30 * * * *",
    ),
    "wait without a word for what": (
        setting("sales__daily", "wait__raw", waits_for=None),
        "`wait` tasks, and only they, say what they wait for",
    ),
    "wait that looks all the time": (setting("sales__daily", "wait__raw", poke=0), "looks every 0 seconds"),
    "node lost": (without_task("sales__daily", "lines"), "model.shop.lines is lost: it is in no task and not left out"),
    "test lost": (without_task("web__hourly", "events_unique"), "test.shop.events_unique is lost"),
    "left-out node lost": (not_leaving_out("test.shop.lines_big"), "test.shop.lines_big is lost"),
    "ephemeral node lost": (not_leaving_out("model.shop.inlined"), "model.shop.inlined is lost"),
    "node planned and left out": (
        leaving_out("model.shop.lines"),
        "model.shop.lines is left out and is in task `sales__daily.lines`",
    ),
    "stranger left out": (leaving_out("model.shop.x"), "model.shop.x is left out and is not in the manifest"),
    "left out twice": (leaving_out("model.shop.inlined"), "model.shop.inlined is left out twice"),
    "left out without a reason": (leaving_out("model.shop.x", ""), "model.shop.x is left out without a reason"),
    "stranger planned": (
        setting("sales__daily", "lines", nodes=("model.shop.x",), dbt=None),
        "task `sales__daily.lines` runs model.shop.x, which is not in the manifest",
    ),
    "ephemeral node planned": (
        setting("sales__daily", "lines", nodes=("model.shop.inlined",), dbt=None),
        "task `sales__daily.lines` runs model.shop.inlined, which is ephemeral",
    ),
    "node planned twice": (
        setting("raw__daily", "raw", nodes=("model.shop.lines",), dbt=None),
        "model.shop.lines is in 2 tasks: `raw__daily.raw`, `sales__daily.lines`",
    ),
    "node run as what it is not": (
        setting("sales__daily", "lines", kind=TaskKind.SEED),
        "task `sales__daily.lines` of kind `seed` runs model.shop.lines, a model",
    ),
    "dbt runs another node": (
        in_task(
            "sales__daily",
            "lines",
            lambda task: replace(task, dbt=replace(task.dbt, nodes=PLAN.dag("raw__daily").tasks[0].dbt.nodes)),
        ),
        "its dbt command names other nodes than the task",
    ),
    "two nodes in one task": (
        setting("sales__daily", "lines", nodes=("model.shop.lines", "model.shop.orders")),
        "a `run` task runs one node, this one 2",
    ),
    "test task without tests": (setting("sales__daily", "orders_unique", nodes=()), "a `test` task without tests"),
    "endpoint with a node": (
        setting("web__hourly", "events__end", nodes=("model.shop.events",)),
        "a `endpoint` task runs no node, this one 1",
    ),
    "test in another DAG": (
        moved("sales__daily", "orders_unique", "web__hourly"),
        "test.shop.orders_unique is in DAG `web__hourly`, and model.shop.orders, with which it is placed, in",
    ),
    "test of a node that is gone": (
        lambda plan: leaving_out("model.shop.orders")(without_task("sales__daily", "orders")(plan)),
        "test.shop.orders_unique is planned, and model.shop.orders, with which it is placed, is not",
    ),
    "task id twice": (setting("sales__daily", "history", task_id="lines"), "two tasks are called `lines`"),
    "DAG id twice": (in_dag("raw__daily", lambda dag: replace(dag, dag_id="sales__daily")), "two DAGs are called"),
    "illegal task id": (setting("sales__daily", "history", task_id="a b"), "task `a b`: its id is not legal"),
    "task id too long": (setting("sales__daily", "history", task_id="x" * 251), "its id is not legal"),
    "illegal DAG id": (in_dag("raw__daily", lambda dag: replace(dag, dag_id="a/b")), "`a/b` is no legal DAG id"),
    "dot in a group": (setting("sales__daily", "lines", group="a.b"), "`a.b` is no legal id of a task group"),
    "group like a task": (setting("sales__daily", "lines", group="orders"), "`orders` is both a task and a task group"),
    "upstream that is not there": (with_edge("sales__daily", "lines", "gone"), "its upstream `gone` does not exist"),
    "upstream twice": (with_edge("sales__daily", "lines", "orders_unique"), "upstream `orders_unique` is named twice"),
    "cycle": (
        with_edge("sales__daily", "orders", "lines"),
        "its tasks go in a circle: lines <- orders_unique <- orders <- lines",
    ),
    "task after itself": (with_edge("sales__daily", "orders", "orders"), "in a circle: orders <- orders"),
    "wrong order": (
        in_dag("sales__daily", lambda dag: replace(dag, tasks=dag.tasks[::-1])),
        "stands before its upstream",
    ),
    "excuse: manual, and it is not": (
        excused("sales__daily", "orders", "model.shop.events", "manual"),
        "model.shop.orders says `manual` of model.shop.events, and both DAGs have a schedule",
    ),
    "excuse: manual in one DAG": (
        excused("sales__daily", "lines", "model.shop.orders", "manual"),
        "model.shop.lines says `manual` of model.shop.orders, which is in the same DAG",
    ),
    "excuse: left out, and it is not": (
        excused("sales__daily", "lines", "model.shop.orders", "left-out"),
        "model.shop.lines says `left-out` of model.shop.orders, which is not left out",
    ),
    "excuse: none": (
        excused("sales__daily", "lines", "model.shop.orders", "because"),
        "model.shop.lines says `because` of model.shop.orders, which is no reason",
    ),
    "excuse for no edge": (
        excused("sales__daily", "lines", "seed.shop.raw", "skip"),
        "model.shop.lines states that it does not wait for seed.shop.raw, on which it does not depend",
    ),
    "excuse for another node": (
        setting("sales__daily", "history", not_waited=(NotWaited("model.shop.lines", "model.shop.x", "skip", "x"),)),
        "task `sales__daily.history` speaks for model.shop.x, which it does not run",
    ),
    "excuse dropped": (
        setting("sales__daily", "reads_by_hand", not_waited=()),
        "model.shop.reads_by_hand (`sales__daily.reads_by_hand`) does not wait for model.shop.by_hand",
    ),
    "broken DAG with tasks": (broken("raw__daily"), "it is broken and its task is not an endpoint without retries"),
    "broken DAG with many tasks": (broken("web__hourly"), "it is broken and has 5 tasks instead of one"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_is_found(name: str) -> None:
    mutate, message = MUTATIONS[name]
    mutated = mutate(PLAN)
    assert mutated != PLAN
    found = violations(mutated, MANIFEST)
    assert any(message in each for each in found), found


def test_a_skip_is_taken_as_stated() -> None:
    assert violations(excused("sales__daily", "lines", "model.shop.orders", "skip")(PLAN), MANIFEST) == ()


def test_an_edge_through_other_tasks_counts() -> None:
    through = setting("sales__daily", "lines", upstream=("between",))
    between = TaskPlan("between", TaskKind.ENDPOINT, upstream=("orders_unique",))
    plan = in_dag(
        "sales__daily",
        lambda dag: replace(
            dag, tasks=(*dag.tasks[: _position(dag, "lines")], between, *dag.tasks[_position(dag, "lines") :])
        ),
    )(through(PLAN))
    assert violations(plan, MANIFEST) == ()


def _position(dag: DagPlan, task_id: str) -> int:
    return [task.task_id for task in dag.tasks].index(task_id)
