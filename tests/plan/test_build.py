"""What the plan says: domains, DAG ids, tasks, edges, waits, tests, left out."""

from dataclasses import replace
from typing import Any

import pytest
from building import PROFILE, build_of, inputs_of, model, plan_of, project, seed, snapshot, source, tasks_of, test

from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.manifest.values import Other
from dbt_af_k8s.plan.build import build, build_plan
from dbt_af_k8s.plan.values import DagKind, Plan, TaskKind
from dbt_af_k8s.plan.verify import verify


def dag_ids(plan: Plan) -> list[str]:
    """The scheduled and manual domain DAGs."""
    return [dag.dag_id for dag in plan.dags if dag.kind in (DagKind.SCHEDULED, DagKind.MANUAL)]


def left_out(plan: Plan) -> dict[str, str]:
    return {entry.node: entry.because for entry in plan.left_out}


def codes(plan: Plan) -> list[str]:
    return [issue.code for issue in plan.issues]


def test_one_dag_per_domain_and_schedule_with_the_ids_of_dbt_af() -> None:
    plan = plan_of(
        model("a"),
        model("b", meta={"schedule": "@hourly"}),
        model("c", meta={"schedule": "@hourly", "schedule_shift": 30}),
        model("d", meta={"schedule": "@daily", "schedule_shift": 90}),
        model("e", meta={"schedule": "@manual"}),
        model("f", meta={"schedule": "nightly"}),
        model("g", folder="finance", meta={"schedule": "@weekly"}),
        model("h", folder=""),
        settings={"schedules": {"nightly": {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}}},
    )
    assert dag_ids(plan) == [
        "finance__weekly",
        "sales__daily",
        "sales__daily_shift_1_hours_30_minutes",
        "sales__hourly",
        "sales__hourly_shift_30_minutes",
        "sales__manual",
        "sales__nightly",
        "shop__daily",
    ]
    assert plan.dag("sales__manual").kind is DagKind.MANUAL
    assert plan.dag("sales__manual").schedule is None
    nightly = plan.dag("sales__nightly")
    assert (nightly.schedule, nightly.timezone) == ("0 3 * * *", "Europe/Berlin")


def test_a_prefix_keeps_two_projects_apart() -> None:
    assert dag_ids(plan_of(model("a"), settings={"dags": {"prefix": "shop_"}})) == ["shop_sales__daily"]


def test_blocking_tests_stand_between_a_model_and_what_is_downstream() -> None:
    tasks = tasks_of(plan_of(model("a"), model("b", "a"), test("t1", "a"), test("t2", "a")), "sales__daily")
    assert tasks["a__tests"].nodes == ("test.shop.t1", "test.shop.t2")
    assert tasks["a__tests"].upstream == ("a",)
    assert tasks["b"].upstream == ("a__tests",)
    assert tasks["a"].group == tasks["a__tests"].group == "a__group"
    assert tasks["b"].group is None


def test_one_task_per_test_on_request() -> None:
    plan = plan_of(
        model("a"),
        model("b", "a"),
        test("t1", "a"),
        test("t2", "a"),
        test("t3", "b"),
        settings={"tests": {"per": "test"}},
    )
    tasks = tasks_of(plan, "sales__daily")
    assert tasks["a__end"].kind is TaskKind.ENDPOINT
    assert tasks["a__end"].upstream == ("t1", "t2")
    assert tasks["b"].upstream == ("a__end",)
    assert "b__end" not in tasks
    assert tasks["t3"].upstream == ("b",)


def test_tests_that_dbt_cannot_tell_apart_share_a_task() -> None:
    twins = [replace(test("same", "a"), unique_id=f"test.shop.same.{hash_}") for hash_ in ("1", "2")]
    plan = plan_of(model("a"), *twins, test("other", "a"), settings={"tests": {"per": "test"}})
    tasks = tasks_of(plan, "sales__daily")
    assert tasks["same"].nodes == ("test.shop.same.1", "test.shop.same.2")
    assert tasks["a__end"].upstream == ("other", "same")


def test_a_test_of_two_models_runs_with_the_last_and_waits_for_the_other() -> None:
    plan = plan_of(
        model("a", folder="web", meta={"schedule": "@hourly"}),
        model("b", "a"),
        model("c"),
        test("u", "c"),
        test("t", "a", "b", "c"),
    )
    tests = tasks_of(plan, "sales__daily")["b__tests"]
    assert tests.nodes == ("test.shop.t",)
    assert tests.upstream == ("b", "c__tests", "wait__a")


def test_waits_are_for_the_node_with_its_blocking_tests() -> None:
    plan = plan_of(model("a", folder="web"), test("t", "a"), model("b", "a"), model("c", "a"))
    tasks = tasks_of(plan, "sales__daily")
    wait = tasks["wait__a"].waits_for
    assert (wait.dag_id, wait.task_id, wait.node, wait.policy) == ("web__daily", "a__tests", "model.shop.a", "last")
    assert tasks["b"].upstream == tasks["c"].upstream == ("wait__a",)


def test_one_wait_per_node_and_policy_or_per_task() -> None:
    entries = (
        model("a", folder="web", meta={"schedule": "@hourly"}),
        model("b", "a", meta={"dependencies": {"a": {"wait_policy": "all"}}}),
        model("c", "a", meta={"dependencies": {"a": {"wait_policy": "all"}}}),
        model("d", "a"),
    )
    tasks = tasks_of(plan_of(*entries), "sales__daily")
    assert sorted(tasks) == ["b", "c", "d", "wait__a", "wait__a__all"]
    assert tasks["wait__a__all"].waits_for.policy == "all"
    tasks = tasks_of(plan_of(*entries, settings={"waits": {"per": "task"}}), "sales__daily")
    assert sorted(tasks) == ["b", "c", "d", "wait__a__all__for__b", "wait__a__all__for__c", "wait__a__for__d"]


def test_skip_takes_away_edge_and_wait_and_says_so() -> None:
    skip = {"dependencies": {"a": {"skip": True}, "w": {"skip": True}}}
    tasks = tasks_of(plan_of(model("a"), model("w", folder="web"), model("b", "a", "w", meta=skip)), "sales__daily")
    assert tasks["b"].upstream == ()
    assert [(gap.node, gap.code) for gap in tasks["b"].not_waited] == [
        ("model.shop.a", "skip"),
        ("model.shop.w", "skip"),
    ]


def test_dependencies_reach_through_ephemeral_models() -> None:
    entries = (model("w", folder="web"), model("e", "w", materialized="ephemeral"))
    reader = model("b", "e", meta={"dependencies": {"w": {"skip": True}}})
    assert tasks_of(plan_of(*entries, reader), "sales__daily")["b"].upstream == ()
    plan = plan_of(*entries, model("b", "e", meta={"dependencies": {"e": {"skip": True}}}))
    assert codes(plan) == ["dependency-on-ephemeral"]
    plan = plan_of(
        model("w"),
        model("e", "w", materialized="ephemeral", meta={"dependencies": {"w": {"skip": True}}}),
        model("b", "e"),
    )
    assert codes(plan) == ["dependencies-on-ephemeral"]
    assert plan.dag("sales__daily").is_broken


def test_manual_on_either_side_means_no_wait_and_the_plan_says_so() -> None:
    plan = plan_of(
        model("m", meta={"schedule": "@manual"}), model("a", "m"), model("n", "a", meta={"schedule": "@manual"})
    )
    (gap,) = tasks_of(plan, "sales__daily")["a"].not_waited
    assert (gap.code, gap.because) == ("manual", "DAG `sales__manual` runs only when a person starts it")
    assert [gap.code for gap in tasks_of(plan, "sales__manual")["n"].not_waited] == ["manual"]


def test_the_same_domain_on_two_schedules_waits_too() -> None:
    plan = plan_of(model("a", meta={"schedule": "@hourly"}), model("b", "a"))
    assert tasks_of(plan, "sales__daily")["wait__a"].waits_for.dag_id == "sales__hourly"


def test_every_entry_is_planned_or_left_out_with_the_reason() -> None:
    manifest = project(
        model("a"),
        model("e", "a", materialized="ephemeral"),
        seed("raw"),
        snapshot("snap", "a"),
        test("small", "a"),
        test("medium", "a", tags=("@medium",)),
        test("large", "a", tags=("@large",)),
        test("on_source", "source:s.x"),
        source("s", "x"),
        model("script", language="python", meta={"dbt_target": "k8s"}),
        test("of_script", "script"),
        model("hook", kind="operation"),
        model("ana", kind="analysis"),
        others=(Other("unit_test.shop.u", "unit_test"), Other("metric.shop.m", "metric")),
    )
    plan = build_plan(inputs_of(manifest))
    verify(plan, manifest)
    assert left_out(plan) == {
        "analysis.shop.ana": "analysis: dbt compiles it and never runs it",
        "metric.shop.m": "metric: there is nothing to build",
        "model.shop.e": "ephemeral: dbt inlines it into the models that ref it",
        "operation.shop.hook": "project hook: it runs with every dbt command",
        "unit_test.shop.u": "unit test: it tests code, not data; run it in CI",
    }
    assert [dag.dag_id for dag in plan.dags if dag.kind is not DagKind.BACKFILL] == [
        "raw__daily",
        "sales__daily",
        "sales__large_tests__daily",
        "shop__freshness",
        "shop_dbt_run_model",
    ]


def test_the_selection_leaves_out_and_edges_to_it_are_stated() -> None:
    entries = (model("a"), model("b", "a"), test("ta", "a"), test("tb", "b"), test("slow", "b", tags=("slow",)))
    plan = plan_of(*entries, settings={"select": "b", "exclude": "tag:slow"})
    tasks = tasks_of(plan, "sales__daily")
    assert sorted(tasks) == ["b", "b__tests"]
    assert [gap.code for gap in tasks["b"].not_waited] == ["left-out"]
    assert left_out(plan) == {
        "model.shop.a": "outside the selection (`select`)",
        "test.shop.slow": "outside the selection (`exclude`)",
        "test.shop.ta": "outside the selection (`select`)",
    }


def test_a_test_without_parents_runs_alone_on_the_default_schedule() -> None:
    plan = plan_of(model("a", meta={"schedule": "@hourly"}), test("orphan", folder="ops"))
    assert tasks_of(plan, "ops__daily")["orphan"].kind is TaskKind.TEST
    assert codes(plan) == ["orphan-test"]


def test_versions_are_part_of_the_task_id() -> None:
    plan = plan_of(model("orders", version="1"), model("orders", version="2"), test("t", "model.shop.orders.v2"))
    assert sorted(tasks_of(plan, "sales__daily")) == ["orders__v1", "orders__v2", "orders__v2__tests"]


def test_ids_do_not_depend_on_tests() -> None:
    bare = tasks_of(plan_of(model("a"), model("b", "a")), "sales__daily")
    tested = tasks_of(plan_of(model("a"), model("b", "a"), test("t", "a")), "sales__daily")
    assert set(bare) < set(tested)


def test_a_packages_node_of_the_same_name_is_told_apart() -> None:
    plan = plan_of(model("orders"), model("orders", package="lib"), settings={"domains": {"packages": "folder"}})
    tasks = tasks_of(plan, "sales__daily")
    assert tasks["orders"].nodes == ("model.shop.orders",)
    assert tasks["lib__orders"].nodes == ("model.lib.orders",)
    assert codes(plan) == ["duplicate-name"]


def test_derived_ids_give_way_to_nodes() -> None:
    tasks = tasks_of(
        plan_of(model("a"), model("a__tests"), test("t", "a"), model("w", folder="web"), model("wait__w", "w")),
        "sales__daily",
    )
    assert tasks["a__tests"].nodes == ("model.shop.a__tests",)
    assert tasks["wait__w"].kind is TaskKind.RUN
    (tests,) = [task for task in tasks.values() if task.kind is TaskKind.TEST]
    assert tests.task_id.startswith("a__tests_")
    (wait,) = [task for task in tasks.values() if task.kind is TaskKind.WAIT]
    assert wait.task_id.startswith("wait__w_")


def test_tests_on_another_target_have_a_process_of_their_own() -> None:
    plan = plan_of(model("a"), model("b", "a"), test("t1", "a"), test("t2", "a", meta={"dbt_target": "prod"}))
    tasks = tasks_of(plan, "sales__daily")
    assert tasks["a__tests"].target == "dev"
    assert tasks["a__tests__prod"].target == "prod"
    assert tasks["b"].upstream == ("a__end",)


@pytest.mark.parametrize(
    ("entry", "code", "fix"),
    [
        (model("x", meta={"schedule": "@dayly"}), "unknown-schedule", "@daily"),
        (
            model("x", meta={"dbt_target": "prd"}),
            "unknown-target",
            "Did you mean `prod`? It has: `dev`, `k8s`, `prod`.",
        ),
        (model("x", meta={"dbt_target": "k8s"}), "sql-on-python-target", "warehouse target"),
        (model("x", "y", meta={"dependencies": {"w": {"skip": True}}}), "dangling-dependency", "It depends on: `y`."),
        (model("x", "x"), "cycle", "Remove one of these refs"),
        (model("x", "gone"), "dangling-parent", "dbt parse"),
    ],
)
def test_one_broken_domain_leaves_the_others_working(entry, code: str, fix: str) -> None:
    built = build_of(entry, model("y"), model("z", folder="web"), model("reader", "y", folder="web"))
    plan = built.plan
    (issue,) = [issue for issue in plan.issues if issue.is_error]
    assert (issue.code, issue.node) == (code, "model.shop.x")
    assert fix in issue.fix
    broken = plan.dag("sales__daily")
    assert broken.is_broken
    (task,) = broken.tasks
    assert (task.task_id, task.retry.retries) == ("broken", 0)
    web = tasks_of(plan, "web__daily")
    assert web["wait__y"].waits_for.task_id == "broken"
    assert "z" in web
    assert left_out(plan)["model.shop.y"].startswith("domain `sales` has errors")


def test_a_fault_outside_the_selection_breaks_nothing() -> None:
    plan = plan_of(
        model("x", folder="old", meta={"schedule": "@dayly"}), model("a"), settings={"exclude": "domain:old"}
    )
    assert not plan.issues
    assert dag_ids(plan) == ["sales__daily"]


def test_without_a_profile_every_target_is_a_warehouse() -> None:
    plan = plan_of(model("a", meta={"dbt_target": "anything"}), profile=Profile("shop", None, found=False))
    assert tasks_of(plan, "sales__daily")["a"].target == "anything"
    assert not plan.issues


def test_the_command_lines_target_stands_before_the_defaults() -> None:
    plan = plan_of(
        model("a"), model("b", meta={"dbt_target": "dev"}), target="prod", settings={"targets": {"default": "dev"}}
    )
    tasks = tasks_of(plan, "sales__daily")
    assert (tasks["a"].target, tasks["b"].target) == ("prod", "dev")


def test_a_manifest_of_another_project_is_told() -> None:
    assert codes(build_plan(inputs_of(project(model("a"), project_name="other")))) == ["foreign-manifest"]


def test_an_empty_project_gives_an_empty_plan_and_says_so() -> None:
    plan = plan_of()
    assert plan.dags == ()
    assert codes(plan) == ["empty-plan"]


def test_wait_policies_without_effect_are_warned_of() -> None:
    everything = {"dependencies": {"a": {"wait_policy": "all"}}}
    plan = plan_of(
        model("a"), model("b", "a", meta=everything), model("c", "a", meta={**everything, "schedule": "@manual"})
    )
    assert codes(plan) == ["wait-never-fires", "wait-never-fires"]
    assert "both are in DAG `sales__daily`" in plan.issues[0].message
    assert not plan.dag("sales__daily").is_broken


def test_a_medium_test_may_be_declared_with_a_node_of_another_dag_than_the_larger_id() -> None:
    nodes = [model("a", package="lib", folder="lib"), model("b")]
    declared = replace(test("t", "model.lib.a", "model.shop.b", tags=("@medium",)), attached_node="model.lib.a")
    inputs = inputs_of(project(*nodes, declared))
    plan = build_plan(inputs)
    (home,) = [dag.dag_id for dag in plan.dags for task in dag.tasks if "test.shop.t" in task.nodes]
    assert home == "lib__daily"
    verify(plan, inputs.manifest)


def test_variables_that_are_not_set_are_told_once_for_each_target_in_use() -> None:
    unset = {"dev": ("DB_HOST", "DB_USER"), "other": ("OTHER",), "idle": ("IDLE",)}
    types = {"dev": "postgres", "other": "postgres", "idle": "postgres"}
    plan = plan_of(
        model("a"),
        model("b", meta={"dbt_target": "other"}),
        profile=Profile("shop", "dev", types, unset_variables=unset),
    )
    assert [(issue.code, issue.key, issue.message) for issue in plan.issues] == [
        (
            "unset-env-var",
            "shop.outputs.dev",
            "The target `dev` needs the environment variables `DB_HOST`, `DB_USER`, which are not set here.",
        ),
        (
            "unset-env-var",
            "shop.outputs.other",
            "The target `other` needs the environment variable `OTHER`, which is not set here.",
        ),
    ]


def test_pools_queues_retries_and_priorities() -> None:
    plan = plan_of(
        model("a", meta={"pool": "own", "priority_weight": 7, "retries": 5, "owner": "ann"}),
        model("b"),
        model("w", folder="web"),
        model("c", "w"),
        settings={
            "pools": {"duck": {"slots": 1, "targets": ["dev"]}, "own": {"slots": 2}},
            "tasks": [
                {"when": {"kind": "run", "target": "dev"}, "queue": "heavy", "priority_weight": 3},
                {"executor": "LocalExecutor"},
            ],
            "retries": {"default": {"retries": 1, "delay": "5m"}, "test": {"retries": 0}},
        },
    )
    tasks = tasks_of(plan, "sales__daily")
    assert [(t.pool, t.priority_weight, t.retry.retries, t.owner) for t in (tasks["a"], tasks["b"])] == [
        ("own", 7, 5, "ann"),
        ("duck", 3, 1, None),
    ]
    assert tasks["b"].queue == "heavy"
    assert tasks["b"].executor == "LocalExecutor"
    assert tasks["b"].retry.delay == 300
    assert plan.pools["duck"] == (1, "")
    assert tasks["wait__w"].pool == "own"
    assert "`duck`" in plan.dag("sales__daily").doc_md


def test_start_dates_of_domains() -> None:
    plan = plan_of(
        model("a", meta={"domain_start_date": "2025-03-01"}),
        model("b", meta={"schedule": "@hourly"}),
        model("c", folder="web"),
        settings={"dags": {"start_date": "2024-01-01"}},
    )
    assert plan.dag("sales__hourly").start_date.isoformat() == "2025-03-01T00:00:00+00:00"
    assert plan.dag("web__daily").start_date.isoformat() == "2024-01-01T00:00:00+00:00"


def test_the_dbt_command_names_the_node_exactly() -> None:
    task = tasks_of(plan_of(model("a", meta={"env": {"LEVEL": 3, "NAME": "x"}})), "sales__daily")["a"]
    assert task.dbt.verb == "run"
    assert task.dbt.env == (("LEVEL", "3"), ("NAME", "x"))
    (selected,) = task.dbt.nodes
    assert (selected.unique_id, selected.package, selected.fqn) == ("model.shop.a", "shop", ("shop", "sales", "a"))


def test_a_runner_that_cannot_run_nodes_leaves_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbt_af_k8s.route.runners.ABILITIES", {})
    plan = plan_of(model("a"), settings={"runners": {"dev": "dbt_api"}})
    assert left_out(plan) == {"model.shop.a": "runner `dbt_api` of target `dev` is not supported yet"}
    plan = plan_of(model("a", meta={"runner": "dbt_api"}))
    assert left_out(plan) == {"model.shop.a": "runner `dbt_api` of the node is not supported yet"}


POD = {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:1"}}


def test_a_node_names_its_own_runner_with_the_dbt_of_a_row() -> None:
    plan = plan_of(
        model("a", meta={"runner": "local"}),
        model("c"),
        settings={"runners": {"prod": {"type": "local", "dbt": "/opt/dbt"}, "*": POD}},
    )
    tasks = tasks_of(plan, "sales__daily")
    programs = {name: task.dbt.executable for name, task in tasks.items()}
    assert programs == {"a": "/opt/dbt", "c": None}
    assert {task.runner_options for task in tasks.values()} == {None}
    assert [name for name, task in tasks.items() if task.dbt_pod] == ["c"]


def test_a_node_on_a_server_takes_the_options_along() -> None:
    row = {"type": "dbt_api", "conn_id": "big", "project_dir": "shop"}
    plan = plan_of(
        model("a", meta={"runner": {"type": "dbt_api", "poke": 60}}), model("b"), settings={"runners": {"x": row}}
    )
    tasks = tasks_of(plan, "sales__daily")
    assert tasks["a"].runner_options == DbtApiOptions("big", "shop", poke=60)
    assert (tasks["a"].runner, tasks["b"].runner, tasks["b"].runner_options) == ("dbt_api", "local", None)


def test_variables_that_cannot_reach_a_server_are_told() -> None:
    plan = plan_of(model("a", meta={"env": {"LEVEL": 3}}), settings={"runners": {"*": "dbt_api"}})
    assert codes(plan) == ["env-not-sent"]
    assert plan.dag("sales__daily").is_broken


@pytest.mark.parametrize(
    ("runner", "required", "found"), [(POD, True, True), (POD, False, False), ("dbt_api", True, False)]
)
def test_artefacts_that_must_be_sent_and_stay_in_a_pod_are_told(runner: Any, required: bool, found: bool) -> None:
    monte_carlo = {"artifacts": True, "required": required}
    plan = plan_of(model("a"), settings={"runners": {"*": runner}, "integrations": {"monte_carlo": monte_carlo}})
    assert ("artifacts-not-sent" in codes(plan)) is found
    assert plan.dag("sales__daily").is_broken is found


def test_a_runner_of_a_node_that_runs_no_dbt_is_told() -> None:
    node = model("a", language="python", meta={"runner": "local", "dbt_target": "k8s"})
    profile = replace(PROFILE, target_types={"dev": "duckdb", "k8s": "venv"})
    plan = build(inputs_of(project(node), profile=profile)).plan
    assert [issue.code for issue in plan.issues if issue.key == "runner"] == ["runner-without-dbt"]


def test_large_projects_plan_quickly() -> None:
    chain = [model("m0"), *(model(f"m{i}", f"m{i - 1}") for i in range(1, 10_000))]
    wide = [model(f"w{i}", "m0", folder="web") for i in range(2_000)]
    plan = build(inputs_of(project(*chain, *wide), profile=PROFILE)).plan
    assert [len(plan.dag(dag_id).tasks) for dag_id in ("sales__daily", "web__daily")] == [10_000, 2_001]


def test_a_target_with_errors_is_not_told_as_missing() -> None:
    profile = replace(PROFILE, target_types={}, broken_targets=("dev",))
    plan = plan_of(model("a"), profile=profile)
    assert [(issue.code, issue.node) for issue in plan.issues] == [("broken-target", "model.shop.a")]
    plan = plan_of(model("a"), profile=profile, settings={"targets": {"default": "dev"}})
    assert [(issue.code, issue.key) for issue in plan.issues] == [("broken-target", "targets.default")]


def test_a_test_on_two_schedules_runs_with_the_schedule() -> None:
    entries = [
        model("a"),
        model("m", "a", meta={"schedule": "@manual"}),
        model("z", "m", folder="web"),
        model("b", "a"),
    ]
    plan = plan_of(*entries, test("t", "a", "m"))
    assert tasks_of(plan, "sales__daily")["a__tests"].nodes == ("test.shop.t",)
    assert codes(plan) == []
    # A backfill knows no schedule: there it comes after both.
    assert set(tasks_of(plan, "sales__backfill")["m__tests"].upstream) == {"a", "m"}


def test_a_test_on_two_manual_dags_is_told() -> None:
    manual = {"schedule": "@manual"}
    entries = [model("a", meta=manual), model("z", folder="web", meta=manual), model("b", meta=manual)]
    plan = plan_of(*entries, test("two", "a", "z"), test("one", "a", "b"), test("daily", "a", "z", tags=("@large",)))
    assert [(issue.code, issue.node) for issue in plan.issues] == [("test-runs-by-hand", "test.shop.two")]
    assert "DAG `web__manual` alone, and not after `sales__manual`" in plan.issues[0].message


def test_tests_and_waits_have_the_owners_of_their_nodes() -> None:
    ann, ben = {"owner": "ann"}, {"owner": "ben"}
    plan = plan_of(
        *(model("up", folder="web"), model("more", folder="web")),
        *(model("a", "up", meta=ann), model("b", "up", "more", meta=ann), model("c", "more", meta=ben)),
        replace(model("d", group="sales"), parents=()),
        *(test("plain", "a"), test("own", "a", meta=ben), test("of_group", "d"), test("later", "c", tags=("@medium",))),
        project_of={"group_owners": {"sales": "cleo"}},
    )
    tasks = tasks_of(plan, "sales__daily")
    by_test = {node.rpartition(".")[2]: task.owner for task in tasks.values() for node in task.nodes if "test." in node}
    assert by_test == {"plain": "ann", "own": "ben", "of_group": "cleo", "later": "ben"}
    assert tasks["a__end"].owner == "ann"
    assert (tasks["wait__up"].owner, tasks["wait__more"].owner) == ("ann", None)
