"""Two plans compared: each kind of change is told once, and nothing else is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection
from dbt_af_k8s.plan.diff import Change, ChangeKind, diff_plans
from dbt_af_k8s.plan.render.diff import diff_lines, diff_to_dicts
from dbt_af_k8s.plan.values import DagKind, DagPlan, Plan, TaskKind, TaskPlan, WaitsFor

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURLY = ("0 * * * *", "@hourly")
DAILY = ("0 0 * * *", "@daily")


def run(name: str, *upstream: str, task_id: str | None = None, target: str = "warehouse") -> TaskPlan:
    return TaskPlan(
        task_id=task_id or name,
        kind=TaskKind.RUN,
        nodes=(f"model.shop.{name}",),
        upstream=upstream,
        target=target,
        runner="local",
        dbt=DbtInvocation("run", (DbtSelection(f"model.shop.{name}", "model", "shop", ("shop", name)),), target),
    )


def wait(name: str, dag_id: str, policy: str = "last", task_id: str | None = None) -> TaskPlan:
    return TaskPlan(
        task_id=task_id or f"wait__{name}",
        kind=TaskKind.WAIT,
        waits_for=WaitsFor(dag_id, name, f"model.shop.{name}", policy, "0 * * * *", "UTC", START, False),
    )


def dag(dag_id: str, *tasks: TaskPlan, times: tuple[str, str] = DAILY, timezone: str = "UTC") -> DagPlan:
    return DagPlan(
        dag_id=dag_id,
        kind=DagKind.SCHEDULED,
        domain=dag_id.split("__")[-2],
        schedule=times[0],
        schedule_name=times[1],
        timezone=timezone,
        start_date=START,
        tasks=tasks,
    )


def plan(*dags: DagPlan) -> Plan:
    return Plan("shop", "abc", "1.11.16", dags)


SALES = dag("sales__hourly", run("orders"), run("items", "orders"), times=HOURLY)
FINANCE = dag("finance__daily", wait("orders", "sales__hourly"), run("revenue", "wait__orders"))
OLD = plan(FINANCE, SALES)


def changes(new: Plan, old: Plan = OLD) -> tuple[Change, ...]:
    return diff_plans(old, new).changes


def test_same_plan_has_no_change() -> None:
    assert changes(OLD) == ()
    assert list(diff_lines(diff_plans(OLD, OLD))) == ["No change: Airflow would do the same."]


def test_reasons_are_not_compared() -> None:
    orders = replace(SALES.tasks[0], because="another reason", display_name="Orders")
    assert changes(plan(FINANCE, replace(SALES, doc_md="more", tasks=(orders, SALES.tasks[1])))) == ()


def test_a_model_between_two_others() -> None:
    tasks = (run("orders"), run("clean", "orders"), run("items", "clean"))
    new = plan(FINANCE, replace(SALES, tasks=tasks))
    assert changes(new) == (
        Change(ChangeKind.ADDED, "sales__hourly", "clean", new="model.shop.clean"),
        Change(ChangeKind.EDGE_ADDED, "sales__hourly", "clean", "upstream", "orders", "clean"),
        Change(ChangeKind.EDGE_ADDED, "sales__hourly", "items", "upstream", "clean", "items"),
        Change(ChangeKind.EDGE_REMOVED, "sales__hourly", "items", "upstream", "orders", "items"),
    )
    assert [change.kind for change in changes(OLD, new)] == [
        ChangeKind.REMOVED,
        ChangeKind.EDGE_ADDED,
        ChangeKind.EDGE_REMOVED,
        ChangeKind.EDGE_REMOVED,
    ]


def test_renamed_task_keeps_its_edges() -> None:
    tasks = (run("orders", task_id="orders__v1"), run("items", "orders__v1"))
    assert changes(plan(FINANCE, replace(SALES, tasks=tasks))) == (
        Change(ChangeKind.RENAMED, "sales__hourly", "orders__v1", "task_id", "orders", "orders__v1"),
    )


def test_id_taken_over_by_another_node() -> None:
    tasks = (run("orders", task_id="orders__shop"), run("new", task_id="orders"), run("items", "orders__shop"))
    assert changes(plan(FINANCE, replace(SALES, tasks=tasks))) == (
        Change(ChangeKind.ADDED, "sales__hourly", "orders", new="model.shop.new"),
        Change(ChangeKind.RENAMED, "sales__hourly", "orders__shop", "task_id", "orders", "orders__shop"),
    )


def test_tests_task_that_gains_a_test() -> None:
    def with_tests(*tests: str) -> Plan:
        task = TaskPlan("orders__tests", TaskKind.TEST, tests, ("orders",))
        return plan(FINANCE, replace(SALES, tasks=(*SALES.tasks, task)))

    assert changes(with_tests("test.a", "test.b"), with_tests("test.a")) == (
        Change(ChangeKind.CHANGED, "sales__hourly", "orders__tests", "nodes", "test.a", "test.a, test.b"),
    )


def test_rerouted_task() -> None:
    tasks = (run("orders", target="big"), SALES.tasks[1])
    assert changes(plan(FINANCE, replace(SALES, tasks=tasks))) == (
        Change(ChangeKind.REROUTED, "sales__hourly", "orders", "target", "warehouse", "big"),
    )


def test_other_fields_of_a_task() -> None:
    dbt = SALES.tasks[0].dbt
    assert dbt is not None
    orders = replace(SALES.tasks[0], pool="duckdb", timeout=60, dbt=replace(dbt, executable="/venv/bin/dbt"))
    found = changes(plan(FINANCE, replace(SALES, tasks=(orders, SALES.tasks[1]))))
    assert [(change.what, change.old, change.new) for change in found] == [
        ("dbt.executable", None, "/venv/bin/dbt"),
        ("pool", None, "duckdb"),
        ("timeout", None, "60"),
    ]


def test_node_that_moves_to_another_schedule() -> None:
    daily = dag("sales__daily", run("items"))
    new = plan(FINANCE, daily, replace(SALES, tasks=SALES.tasks[:1]))
    assert changes(new) == (
        Change(ChangeKind.DAG_ADDED, "sales__daily", new="@daily (0 0 * * *, UTC)"),
        Change(ChangeKind.RESCHEDULED, "sales__daily", "items", "dag_id", "sales__hourly", "sales__daily"),
        Change(ChangeKind.EDGE_REMOVED, "sales__hourly", "items", "upstream", "orders", "items"),
    )


def test_node_that_moves_to_another_domain_of_the_same_schedule() -> None:
    new = plan(FINANCE, replace(SALES, tasks=SALES.tasks[:1]), dag("stock__hourly", run("items"), times=HOURLY))
    moved = diff_plans(OLD, new).of(ChangeKind.MOVED)
    assert moved == (Change(ChangeKind.MOVED, "stock__hourly", "items", "dag_id", "sales__hourly", "stock__hourly"),)


def test_dag_that_gets_another_cron_under_the_same_id() -> None:
    new = plan(replace(FINANCE, schedule="0 3 * * *", timezone="Europe/Berlin"), SALES)
    assert changes(new) == (
        Change(
            ChangeKind.RESCHEDULED,
            "finance__daily",
            what="schedule",
            old="@daily (0 0 * * *, UTC)",
            new="@daily (0 3 * * *, Europe/Berlin)",
        ),
    )


def test_prefix_renames_dags_and_nothing_else() -> None:
    finance = replace(
        FINANCE, dag_id="shop__finance__daily", tasks=(wait("orders", "shop__sales__hourly"), FINANCE.tasks[1])
    )
    new = plan(finance, replace(SALES, dag_id="shop__sales__hourly"))
    assert [change.kind for change in changes(new)] == [
        ChangeKind.DAG_RENAMED,
        ChangeKind.DAG_RENAMED,
        ChangeKind.CHANGED,
    ]


def test_waits_that_come_and_go() -> None:
    tasks = (wait("orders", "sales__hourly", "all", "wait__orders__all"), run("revenue", "wait__orders__all"))
    assert changes(plan(replace(FINANCE, tasks=tasks), SALES)) == (
        Change(ChangeKind.WAIT_ADDED, "finance__daily", "wait__orders__all", new="sales__hourly.orders (all)"),
        Change(ChangeKind.WAIT_REMOVED, "finance__daily", "wait__orders", old="sales__hourly.orders (last)"),
        Change(ChangeKind.EDGE_ADDED, "finance__daily", "revenue", "upstream", "wait__orders__all", "revenue"),
        Change(ChangeKind.EDGE_REMOVED, "finance__daily", "revenue", "upstream", "wait__orders", "revenue"),
    )


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("catchup", True, ("catchup", "false", "true")),
        ("tags", ("a", "b"), ("tags", None, "a, b")),
        ("max_active_runs", 3, ("max_active_runs", "1", "3")),
        ("owner", "finance", ("owner", "dbt", "finance")),
        (
            "start_date",
            datetime(2026, 2, 1, tzinfo=UTC),
            ("start_date", "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
        ),
    ],
)
def test_fields_of_a_dag(field: str, value: object, shown: tuple[str, str | None, str]) -> None:
    new = plan(replace(FINANCE, **{field: value}), SALES)
    assert changes(new) == (Change(ChangeKind.DAG_CHANGED, "finance__daily", None, *shown),)


def test_dags_that_come_and_go_bring_their_tasks_without_their_edges() -> None:
    stock = dag("stock__daily", run("levels"), run("alerts", "levels"))
    assert [(change.kind, change.dag_id, change.task_id) for change in changes(plan(stock, SALES))] == [
        (ChangeKind.DAG_ADDED, "stock__daily", None),
        (ChangeKind.DAG_REMOVED, "finance__daily", None),
        (ChangeKind.ADDED, "stock__daily", "alerts"),
        (ChangeKind.ADDED, "stock__daily", "levels"),
        (ChangeKind.REMOVED, "finance__daily", "revenue"),
        (ChangeKind.WAIT_REMOVED, "finance__daily", "wait__orders"),
    ]


def test_nodes_repeated_in_other_kinds_of_dags_are_no_moves() -> None:
    backfill = replace(dag("sales__backfill", run("orders")), kind=DagKind.BACKFILL, schedule=None)
    new = plan(FINANCE, backfill, replace(SALES, tasks=(replace(SALES.tasks[1], upstream=()),)))
    kinds = {change.kind for change in changes(new)}
    assert ChangeKind.MOVED not in kinds
    assert ChangeKind.RESCHEDULED not in kinds
    assert {ChangeKind.ADDED, ChangeKind.REMOVED} <= kinds


def test_text_and_values() -> None:
    tasks = (run("orders", task_id="orders__v1", target="big"), run("clean"))
    diff = diff_plans(OLD, plan(FINANCE, replace(SALES, tasks=tasks)))
    assert list(diff_lines(diff)) == [
        "Tasks added:",
        "  + sales__hourly.clean: model.shop.clean",
        "Tasks removed:",
        "  - sales__hourly.items: model.shop.items",
        "Tasks renamed (Airflow starts a new history):",
        "  ~ sales__hourly.orders__v1, was orders",
        "Tasks that run elsewhere:",
        "  ~ sales__hourly.orders__v1: target warehouse -> big",
        "Edges removed:",
        "  - sales__hourly: orders__v1 -> items",
    ]
    assert diff_to_dicts(diff)[0] == {
        "kind": "task-added",
        "dag_id": "sales__hourly",
        "task_id": "clean",
        "what": None,
        "old": None,
        "new": "model.shop.clean",
    }


def test_a_chain_of_ten_thousand() -> None:
    def chain(length: int) -> Plan:
        tasks = [run("m0"), *(run(f"m{i}", f"m{i - 1}") for i in range(1, length))]
        return plan(dag("sales__hourly", *tasks, times=HOURLY))

    assert changes(chain(10_001), chain(10_000)) == (
        Change(ChangeKind.ADDED, "sales__hourly", "m10000", new="model.shop.m10000"),
        Change(ChangeKind.EDGE_ADDED, "sales__hourly", "m10000", "upstream", "m9999", "m10000"),
    )
