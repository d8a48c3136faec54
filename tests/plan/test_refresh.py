"""Refreshes after a model: `tableau_refresh_tasks`, exposures that name a provider, and rows of the settings."""

from dataclasses import replace
from typing import Any

import building
import pytest
from building import build_of, inputs_of, model, plan_of, project, source, tasks_of, test
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.manifest.values import Exposure
from dbt_af_k8s.plan.build import build
from dbt_af_k8s.plan.codec import from_json, to_json
from dbt_af_k8s.plan.explain import explain
from dbt_af_k8s.plan.values import Plan, RefreshPlan, TaskKind
from dbt_af_k8s.plan.verify import verify, violations

SALES = {"resource_name": "Sales", "project_name": "Shop", "resource_type": "workbook"}
STOCK = {"resource_name": "Stock", "project_name": "Shop", "resource_type": "datasource"}
TABLEAU = {"connection": "tableau_default", "timeout": 60}
DASHBOARD = "exposure.shop.board"
POWERBI = {"integrations": {"providers": {"powerbi": "my_package.PowerBi"}}}


def exposure(*parents: str, name: str = "board", **rest: Any) -> Exposure:
    ids = tuple(building._id(parent, "shop") for parent in parents)
    given = {"type": "dashboard", "file": "models/e.yml", "parents": ids} | rest
    return Exposure(f"exposure.shop.{name}", name, "shop", **given)


def refreshed(**refresh: Any) -> dict[str, Any]:
    return {"dbt_af_k8s": {"refresh": refresh}}


def plan_with(*entries: Any, exposures: tuple[Exposure, ...] = (), settings: Any = None) -> Plan:
    manifest = project(*entries, exposures={each.unique_id: each for each in exposures})
    plan = build(inputs_of(manifest, settings)).plan
    verify(plan, manifest)
    assert from_json(to_json(plan)) == plan
    return plan


def test_a_node_with_tableau_tasks_has_one_refresh_after_it():
    orders = model("orders", config={"tableau_refresh_tasks": [SALES, STOCK]})
    plan = plan_with(orders, model("report", "orders"))
    tasks = tasks_of(plan, "sales__daily")
    refresh = tasks["refresh__orders"]
    assert refresh.kind is TaskKind.REFRESH
    assert refresh.refresh == RefreshPlan("tableau", "model.shop.orders", (SALES, STOCK), TABLEAU)
    assert refresh.upstream == ("orders",)
    assert refresh.nodes == ()
    assert tasks["report"].upstream == ("orders",)


def test_a_refresh_comes_after_the_tests_that_block():
    tests = [test("unique", "orders"), test("not_null", "orders", config={"dbt_target": "prod"})]
    orders = model("orders", meta={"tableau_refresh_tasks": [SALES]})
    tasks = tasks_of(plan_with(orders, *tests), "sales__daily")
    assert tasks["refresh__orders"].upstream == ("orders__end",)
    assert tasks["refresh__orders"].group == "orders__group"


def test_medium_tests_do_not_wait_for_a_refresh():
    orders = model("orders", meta={"tableau_refresh_tasks": [SALES]})
    tasks = tasks_of(plan_with(orders, test("slow", "orders", tags=("@medium",))), "sales__daily")
    assert tasks["orders__medium_tests"].upstream == ("orders",)


def test_a_name_that_a_model_has_is_left_to_the_model():
    orders = model("orders", meta={"tableau_refresh_tasks": [SALES]})
    tasks = tasks_of(plan_with(orders, model("refresh__orders")), "sales__daily")
    assert tasks["refresh__orders"].kind is TaskKind.RUN
    assert len([task for task in tasks.values() if task.kind is TaskKind.REFRESH]) == 1


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ({**SALES, "resource_type": "flow"}, "resource_type"),
        ({"resource_name": "Sales"}, "project_name"),
        ({**SALES, "site": "x"}, "site"),
    ],
)
def test_a_wrong_tableau_task_is_an_error_of_the_node(resource: dict[str, Any], told: str):
    manifest = project(model("orders", config={"tableau_refresh_tasks": [resource]}))
    issues = build(inputs_of(manifest)).plan.issues
    assert issues
    assert any(told in (issue.key or "") for issue in issues)


def test_settings_reach_the_provider():
    orders = model("orders", meta={"tableau_refresh_tasks": [SALES]})
    settings = {
        "integrations": {"tableau": {"connection": "bi", "site": "emea", "timeout": "2m"}},
        "pools": {"bi": {"slots": 1, "kinds": ["refresh"]}},
        "retries": {"refresh": {"retries": 5}},
        "tasks": [{"when": {"kind": "refresh"}, "queue": "outside"}],
    }
    plan = plan_with(orders, settings=settings)
    refresh = tasks_of(plan, "sales__daily")["refresh__orders"]
    assert refresh.refresh is not None
    assert refresh.refresh.options == {"connection": "bi", "site": "emea", "timeout": 120}
    assert (refresh.pool, refresh.queue, refresh.retry.retries) == ("bi", "outside", 5)
    assert plan.pools == {"bi": (1, "")}


def test_a_backfill_refreshes_nothing():
    plan = plan_with(model("orders", meta={"tableau_refresh_tasks": [SALES]}))
    kinds = {dag.dag_id: {task.kind for task in dag.tasks} for dag in plan.dags}
    assert [dag_id for dag_id, found in kinds.items() if TaskKind.REFRESH in found] == ["sales__daily"]


def test_an_exposure_that_names_no_provider_is_left_out():
    plan = plan_with(model("orders"), exposures=(exposure("orders"),))
    assert [(left.node, left.because) for left in plan.left_out] == [
        (DASHBOARD, "exposure: there is nothing to run, and nothing says who refreshes it")
    ]


def test_an_exposure_is_refreshed_where_its_last_parent_is_after_all_of_them():
    entries = (
        model("orders"),
        model("visits", folder="web", meta={"schedule": "@hourly"}),
        model("report", "orders"),
        test("t", "report"),
    )
    board = exposure("visits", "orders", "report", meta=refreshed(provider="tableau", **SALES))
    plan = plan_with(*entries, exposures=(board,))
    task = tasks_of(plan, "sales__daily")["refresh__board"]
    assert task.refresh == RefreshPlan("tableau", DASHBOARD, (SALES,), TABLEAU)
    assert task.nodes == (DASHBOARD,)
    assert task.upstream == ("orders", "report__tests", "wait__visits")
    assert plan.left_out == ()


def test_the_waits_of_an_exposure_are_shared_with_models():
    entries = (model("visits", folder="web"), model("orders", "visits"))
    board = exposure("visits", "orders", meta=refreshed(provider="tableau", **SALES))
    tasks = tasks_of(plan_with(*entries, exposures=(board,)), "sales__daily")
    assert tasks["refresh__board"].upstream == ("orders", "wait__visits")
    assert [task_id for task_id in tasks if task_id.startswith("wait")] == ["wait__visits"]


def test_ephemeral_parents_are_replaced_by_theirs():
    entries = (model("orders"), model("thin", "orders", materialized="ephemeral"))
    board = exposure("thin", meta=refreshed(provider="tableau", **SALES))
    assert tasks_of(plan_with(*entries, exposures=(board,)), "sales__daily")["refresh__board"].upstream == ("orders",)


def test_tested_sources_of_an_exposure_are_waited_for():
    entries = (source("web", "events"), model("orders"), test("t", "source:web.events"))
    board = exposure("orders", "source:web.events", meta=refreshed(provider="tableau", **SALES))
    plan = plan_with(*entries, exposures=(board,))
    assert tasks_of(plan, "sales__daily")["refresh__board"].upstream == ("orders", "wait__web__events")


@pytest.mark.parametrize(
    ("parents", "settings", "because"),
    [
        (("source:web.events",), {}, "no model, seed or snapshot stands behind it"),
        (("visits",), {"exclude": "visits"}, "the last of its parents, model.shop.visits, is left out"),
    ],
)
def test_an_exposure_without_a_place_is_left_out(parents, settings, because):
    board = exposure(*parents, meta=refreshed(provider="tableau", **SALES))
    entries = (source("web", "events"), model("visits"), model("orders"))
    plan = plan_with(*entries, exposures=(board,), settings=settings)
    assert {left.node: left.because for left in plan.left_out}[DASHBOARD] == because


def test_a_parent_that_is_left_out_is_stated():
    entries = (model("visits"), model("orders", "visits"))
    board = exposure("visits", "orders", meta=refreshed(provider="tableau", **SALES))
    plan = plan_with(*entries, exposures=(board,), settings={"exclude": "visits"})
    task = tasks_of(plan, "sales__daily")["refresh__board"]
    assert [(gap.node, gap.code) for gap in task.not_waited] == [("model.shop.visits", "left-out")]


def test_an_exposure_on_a_manual_dag_is_refreshed_there():
    orders = model("orders", meta={"schedule": "@manual"})
    board = exposure("orders", meta=refreshed(provider="tableau", **SALES))
    assert "refresh__board" in tasks_of(plan_with(orders, exposures=(board,)), "sales__manual")


def test_the_exposures_of_a_broken_domain_are_left_out_with_it():
    orders = model("orders", meta={"dbt_target": "nowhere"})
    board = exposure("orders", meta=refreshed(provider="tableau", **SALES))
    plan = plan_with(orders, exposures=(board,))
    assert "domain `sales` has errors" in {left.node: left.because for left in plan.left_out}[DASHBOARD]


def test_providers_of_ones_own_hear_of_the_exposure():
    board = exposure("orders", meta=refreshed(provider="powerbi", dataset="d1"), url="https://bi/1")
    plan = plan_with(model("orders"), exposures=(board,), settings=POWERBI)
    task = tasks_of(plan, "sales__daily")["refresh__board"]
    told = {"name": "board", "type": "dashboard", "unique_id": DASHBOARD, "url": "https://bi/1"}
    assert task.refresh == RefreshPlan("my_package.PowerBi", DASHBOARD, ({"dataset": "d1", "exposure": told},))


def test_rows_of_the_settings_choose_exposures():
    rows = [
        {"when": {"type": "notebook"}, "provider": "powerbi"},
        {"when": {"tag": "bi*", "name": ["b*"]}, "provider": "powerbi", "resource": {"workspace": "w", "dataset": "-"}},
    ]
    settings = {"integrations": {**POWERBI["integrations"], "exposures": rows}}
    board = exposure("orders", tags=("bi_daily",), meta=refreshed(dataset="d1"))
    other = exposure("orders", name="other", tags=("bi_daily",))
    plan = plan_with(model("orders"), exposures=(board, other), settings=settings)
    tasks = tasks_of(plan, "sales__daily")
    assert "refresh__other" not in tasks
    (resource,) = tasks["refresh__board"].refresh.resources  # type: ignore[union-attr]
    assert (resource["workspace"], resource["dataset"]) == ("w", "d1")


@pytest.mark.parametrize(
    ("refresh", "told"),
    [
        ("tableau", "must be a mapping or a list of mappings, found the text 'tableau'"),
        ([], "found a list"),
        ({"dataset": "d1"}, "names 0 providers"),
        ([{"provider": "tableau"}, {"provider": "powerbi"}], "names 2 providers"),
        ({"provider": "powerbo"}, "There is no provider `powerbo`"),
        ({"provider": "tableau"}, "`resource_name` is missing"),
        ({"provider": "tableau", **SALES, "resource_type": "flow"}, "knows nothing like the text 'flow'"),
    ],
)
def test_a_wrong_refresh_is_an_error_of_the_exposure_alone(refresh: Any, told: str):
    board = exposure("orders", meta={"dbt_af_k8s": {"refresh": refresh}})
    plan = plan_with(model("orders"), exposures=(board,), settings=POWERBI)
    assert {issue.code for issue in plan.issues} == {"bad-refresh"}
    assert {issue.node for issue in plan.issues} == {DASHBOARD}
    assert told in "".join(issue.message for issue in plan.issues)
    assert [(left.node, left.because) for left in plan.left_out] == [(DASHBOARD, "its refresh has errors")]
    assert "orders" in tasks_of(plan, "sales__daily")


def test_an_exposure_can_be_explained():
    board = exposure("orders", meta=refreshed(provider="tableau", **SALES))
    manifest = project(model("orders"), exposures={DASHBOARD: board})
    (found,) = explain(build(inputs_of(manifest)), DASHBOARD)
    assert (found.dag_id, found.task_id, found.left_out) == ("sales__daily", "refresh__board", None)


def test_dbt_afs_ids():
    plan = plan_of(
        model("orders", meta={"tableau_refresh_tasks": [SALES]}),
        model("visits", meta={"tableau_refresh_tasks": [SALES]}),
        model("plain"),
        test("t", "orders"),
        settings={"dags": {"task_ids": "dbt_af"}},
    )
    assert sorted(tasks_of(plan, "sales__daily")) == [
        "orders__group.orders",
        "orders__group.orders__tests",
        "orders__group.tableau_refresh__orders",
        "plain",
        "visits__group.tableau_refresh__visits",
        "visits__group.visits",
    ]


@given(
    st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8),
    st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4), max_size=4),
    st.lists(st.sampled_from(["@daily", "@hourly", "@manual"]), min_size=8, max_size=8),
)
def test_every_plan_with_refreshes_passes_the_proof(refs, boards, schedules):
    models = [
        model(
            f"m{number}",
            *sorted({f"m{parent}" for parent in parents if parent < number}),
            folder=f"d{number % 3}",
            materialized="ephemeral" if number % 4 == 3 else "table",
            meta={"schedule": schedules[number]} | ({"tableau_refresh_tasks": [SALES]} if number % 2 == 0 else {}),
        )
        for number, parents in enumerate(refs)
    ]
    names = [entry.name for entry in models]
    exposures = tuple(
        exposure(*sorted({names[n % len(names)] for n in parents}), name=f"b{number}", meta=refreshed(provider="p"))
        for number, parents in enumerate(boards)
    )
    settings = {"integrations": {"providers": {"p": "my.P"}}}
    plan = plan_with(*models, exposures=exposures, settings=settings)
    tasks = [task for dag in plan.dags for task in dag.tasks if task.kind is TaskKind.REFRESH]
    outside = {left.node for left in plan.left_out}
    shown = [each.unique_id for each in exposures if each.unique_id not in outside]
    assert sorted(task.refresh.of for task in tasks if task.nodes) == sorted(shown)  # type: ignore[union-attr]
    assert len(tasks) - len(shown) == len([m for n, m in enumerate(models) if n % 2 == 0 and not m.is_ephemeral])


def test_the_proof_finds_what_is_wrong_with_a_refresh():
    entries = (model("visits", folder="web"), model("orders", meta={"tableau_refresh_tasks": [SALES]}))
    board = exposure("visits", "orders", meta=refreshed(provider="tableau", **SALES))
    manifest = project(*entries, exposures={DASHBOARD: board})
    good = build(inputs_of(manifest)).plan

    def broken(task_id: str, **changes: Any) -> str:
        dags = tuple(
            replace(dag, tasks=tuple(replace(t, **changes) if t.task_id == task_id else t for t in dag.tasks))
            for dag in good.dags
        )
        return " | ".join(violations(replace(good, dags=dags), manifest))

    assert "say what they refresh" in broken("refresh__orders", refresh=None)
    assert "say what they refresh" in broken("orders", refresh=RefreshPlan("tableau", "model.shop.orders", (SALES,)))
    assert "does not come after `orders`" in broken("refresh__orders", upstream=())
    assert "must block nothing" in broken("orders", upstream=("refresh__orders",))
    assert f"{DASHBOARD} (" in broken("refresh__board", upstream=("orders",))
    assert f"{DASHBOARD} is lost" in broken("refresh__board", nodes=())
    nowhere = RefreshPlan("tableau", "model.shop.gone", (SALES,))
    assert "is in no task" in broken("refresh__orders", refresh=nowhere)
    nothing = RefreshPlan("tableau", "model.shop.orders", ())
    assert "does not say who refreshes what" in broken("refresh__orders", refresh=nothing)
    visits = RefreshPlan("tableau", "model.shop.visits", (SALES,))
    assert "which is in DAG `web__daily`" in broken("refresh__orders", refresh=visits)


def test_build_keeps_the_decisions():
    built = build_of(model("orders", meta={"tableau_refresh_tasks": [SALES]}))
    assert built.layout.tasks_of["model.shop.orders"].done == "orders"
