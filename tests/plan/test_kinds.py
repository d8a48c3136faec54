"""The kinds of DAG besides the scheduled and manual ones."""

from dataclasses import replace
from typing import Any

import pytest
from building import build_of, inputs_of, model, plan_of, project, seed, snapshot, source, tasks_of, test

from dbt_af_k8s.manifest.values import Source
from dbt_af_k8s.plan.build import build
from dbt_af_k8s.plan.values import Control, DagKind, TaskKind

LIMITS = {"warn_after": {"count": 12, "period": "hour"}, "error_after": {"count": 1, "period": "day"}}


def fresh(name: str, table: str, freshness: dict[str, Any] = LIMITS, **rest: Any) -> Source:
    return replace(source(name, table), freshness=freshness, loaded_at_field="at", file="models/web/s.yml", **rest)


class TestMediumTests:
    def test_they_run_after_everything_and_block_nothing(self) -> None:
        plan = plan_of(
            model("a"),
            model("b", "a"),
            model("c", "a"),
            test("small", "b"),
            test("m1", "a", tags=("@medium",)),
            test("m2", "b", tags=("@medium",)),
            model("reader", "a", folder="web"),
        )
        tasks = tasks_of(plan, "sales__daily")
        assert tasks["models__end"].upstream == ("b__tests", "c")
        assert tasks["a__medium_tests"].upstream == tasks["b__medium_tests"].upstream == ("models__end",)
        assert tasks["a__medium_tests"].group == "medium_tests"
        assert tasks["b"].upstream == ("a",)
        assert tasks_of(plan, "web__daily")["wait__a"].waits_for.task_id == "a"

    def test_one_test_or_one_last_task_needs_no_task_between(self) -> None:
        tasks = tasks_of(plan_of(model("a"), model("b"), test("m", "a", tags=("@medium",))), "sales__daily")
        assert tasks["a__medium_tests"].upstream == ("a", "b")
        assert "models__end" not in tasks

    def test_they_wait_for_parents_in_other_dags(self) -> None:
        plan = plan_of(model("w", folder="web"), model("a", "w"), test("m", "a", "w", tags=("@medium",)))
        assert tasks_of(plan, "sales__daily")["a__medium_tests"].upstream == ("a", "wait__w")


class TestLargeTests:
    def test_they_have_a_daily_dag_and_wait_for_their_parents(self) -> None:
        plan = plan_of(
            model("a", meta={"schedule": "@hourly"}),
            model("m", "a", meta={"schedule": "@manual"}),
            test("small", "a"),
            test("big", "a", tags=("@large",)),
            model("by_hand", "a", meta={"schedule": "@manual"}),
            test("bigger", "by_hand", "m", tags=("@large",)),
        )
        dag = plan.dag("sales__large_tests__daily")
        assert (dag.kind, dag.schedule) == (DagKind.LARGE_TESTS, "0 0 * * *")
        tasks = tasks_of(plan, dag.dag_id)
        assert (tasks["a__large_tests"].upstream, tasks["m__large_tests"].upstream) == (("wait__a",), ())
        assert tasks["wait__a"].waits_for.task_id == "a__tests"
        assert [gap.code for gap in tasks["m__large_tests"].not_waited] == ["manual", "manual"]

    def test_one_task_each_on_request(self) -> None:
        plan = plan_of(model("a"), test("big", "a", tags=("@large",)), settings={"tests": {"per": "test"}})
        assert sorted(tasks_of(plan, "sales__large_tests__daily")) == ["big", "wait__a"]


class TestFreshness:
    def test_the_dag_checks_each_source_and_runs_its_tests(self) -> None:
        plan = plan_of(
            fresh("web", "events"),
            source("crm", "people"),
            test("of_events", "source:web.events"),
            test("of_both", "source:web.events", "source:crm.people"),
            test("slow", "source:web.events", tags=("@medium",)),
            model("a", "source:web.events", folder="web", meta={"schedule": "@hourly"}),
            model("b", folder="web"),
        )
        dag = plan.dag("web__freshness")
        assert (dag.kind, dag.schedule) == (DagKind.FRESHNESS, "0 * * * *")
        tasks = tasks_of(plan, "web__freshness")
        check = tasks["fresh__web__events"]
        assert (check.kind, check.gate, check.dbt.verb) == (TaskKind.FRESHNESS, False, "freshness")
        assert check.nodes == ("source.shop.web.events",)
        assert tasks["web__events__tests"].nodes == ("test.shop.of_both", "test.shop.of_events")
        assert tasks["web__events__medium_tests"].nodes == ("test.shop.slow",)

    def test_readers_wait_for_the_tests_of_a_source(self) -> None:
        plan = plan_of(
            fresh("web", "events", {"warn_after": {"count": 1, "period": "day"}}),
            test("of_events", "source:web.events"),
            model("e", "source:web.events", materialized="ephemeral"),
            model("a", "e"),
        )
        tasks = tasks_of(plan, "sales__daily")
        wait = tasks["wait__web__events"].waits_for
        assert (wait.dag_id, wait.task_id, wait.node) == (
            "web__freshness",
            "web__events__tests",
            "source.shop.web.events",
        )
        assert tasks["a"].upstream == ("wait__web__events",)

    def test_readers_of_a_source_with_error_after_have_one_gate_a_dag(self) -> None:
        plan = plan_of(
            fresh("web", "events"),
            model("a", "source:web.events"),
            model("b", "source:web.events"),
            settings={"freshness": {"poke": "2m", "timeout": "1h"}},
        )
        tasks = tasks_of(plan, "sales__daily")
        gate = tasks["fresh__web__events"]
        assert (gate.kind, gate.gate, gate.poke, gate.timeout) == (TaskKind.FRESHNESS, True, 120, 3600)
        assert tasks["a"].upstream == tasks["b"].upstream == ("fresh__web__events",)

    def test_no_gate_where_only_a_warning_is_set_or_the_settings_say_so(self) -> None:
        warn_only = fresh(
            "web",
            "events",
            {"warn_after": {"count": 1, "period": "day"}, "error_after": {"count": None, "period": None}},
        )
        assert sorted(tasks_of(plan_of(warn_only, model("a", "source:web.events")), "sales__daily")) == ["a"]
        plan = plan_of(fresh("web", "events"), model("a", "source:web.events"), settings={"freshness": {"gate": False}})
        assert sorted(tasks_of(plan, "sales__daily")) == ["a"]

    def test_a_source_whose_age_cannot_be_told_is_warned_of(self) -> None:
        plan = plan_of(replace(fresh("web", "events"), loaded_at_field=None), model("a", "source:web.events"))
        assert [issue.code for issue in plan.issues] == ["freshness-not-computable"]
        assert plan.dag("web__freshness") is None

    def test_a_domain_without_models_takes_the_default_schedule_or_the_setting(self) -> None:
        assert plan_of(fresh("web", "events"), model("a")).dag("web__freshness").schedule == "0 0 * * *"
        plan = plan_of(fresh("web", "events"), model("a"), settings={"freshness": {"schedule": "@hourly"}})
        assert plan.dag("web__freshness").schedule == "0 * * * *"


class TestBackfill:
    def test_all_schedules_in_order_without_waits_on_the_backfill_target(self) -> None:
        plan = plan_of(
            model("w", folder="web"),
            seed("raw", folder="sales"),
            model("a", "seed.shop.raw", "w", meta={"schedule": "@hourly"}),
            model("b", "a", meta={"bf_cluster": "dev"}),
            test("t", "a"),
            settings={"targets": {"backfill": "prod"}},
        )
        dag = plan.dag("sales__backfill")
        assert (dag.kind, dag.schedule, dag.max_active_runs) == (DagKind.BACKFILL, None, 1)
        assert [field.name for field in dag.form] == ["chunk", "models", "vars", "full_refresh", "with_tests"]
        tasks = tasks_of(plan, "sales__backfill")
        assert {task_id: task.upstream for task_id, task in tasks.items()} == {
            "choose": (),
            "raw": ("choose",),
            "a": ("raw",),
            "a__tests": ("a",),
            "b": ("a__tests",),
            "next_chunk": ("b",),
        }
        assert (tasks["a"].target, tasks["b"].target) == ("prod", "dev")
        # The data is there, so its tests look there.
        assert tasks["a__tests"].target == "prod"
        assert [tasks[key].control for key in ("choose", "a", "a__tests", "next_chunk")] == [
            Control.BACKFILL_CHOOSE,
            Control.BACKFILL_NODE,
            Control.BACKFILL_NODE,
            Control.BACKFILL_NEXT,
        ]

    def test_a_broken_domain_cannot_be_backfilled(self) -> None:
        plan = plan_of(model("a", meta={"schedule": "@dayly"}))
        assert [task.task_id for task in plan.dag("sales__backfill").tasks] == ["broken"]

    @pytest.mark.parametrize(
        ("meta", "expected"),
        [
            ({}, "prod"),
            ({"bf_cluster": "dev"}, "dev"),
            ({"bf_cluster": "dev", "dbt_target": "prod"}, "prod"),
            ({"dbt_target": "dev"}, "dev"),
        ],
    )
    def test_the_nodes_own_target_stands_before_bf_cluster_and_the_setting(self, meta, expected: str) -> None:
        plan = plan_of(model("a", meta=meta), settings={"targets": {"backfill": "prod"}})
        assert tasks_of(plan, "sales__backfill")["a"].target == expected

    def test_an_unknown_bf_cluster_is_an_error(self) -> None:
        plan = plan_of(model("a", meta={"bf_cluster": "prd"}))
        assert [(issue.code, issue.node) for issue in plan.issues] == [("unknown-target", "model.shop.a")]


class TestMaintenance:
    def test_one_task_per_operation_and_node_in_order_beside_the_runs(self) -> None:
        upkeep = {"ttl": {"key": "at", "expiration_timeout": 30}, "vacuum_table": True, "persist_docs": False}
        plan = plan_of(
            model("a", meta={"maintenance": upkeep, "schedule": "@hourly"}),
            model("b", "a"),
            settings={"targets": {"maintenance": "prod"}, "maintenance": {"schedule": "@weekly"}},
        )
        dag = plan.dag("sales__maintenance")
        assert (dag.kind, dag.schedule) == (DagKind.MAINTENANCE, "0 0 * * 0")
        tasks = tasks_of(plan, dag.dag_id)
        assert {task_id: task.upstream for task_id, task in tasks.items()} == {"ttl__a": (), "vacuum__a": ("ttl__a",)}
        ttl = tasks["ttl__a"]
        assert (ttl.kind, ttl.target, ttl.nodes) == (TaskKind.MAINTENANCE, "prod", ("model.shop.a",))
        assert (ttl.dbt.verb, ttl.dbt.operation) == ("run-operation", "ttl")
        assert ttl.dbt.options == (("expiration_timeout", 30), ("key", "at"))
        assert [(ref.dag_id, ref.task_id) for ref in ttl.not_while] == [
            ("sales__backfill", "a"),
            ("sales__hourly", "a"),
        ]

    def test_what_is_wrong_breaks_the_domain_and_what_does_not_exist_is_told(self) -> None:
        plan = plan_of(model("a", meta={"maintenance": {"ttl": {"key": "at"}}}))
        assert [issue.code for issue in plan.issues if issue.is_error] == ["bad-maintenance"]
        assert plan.dag("sales__daily").is_broken
        plan = plan_of(model("a", meta={"maintenance": {"optimize_table": True}}))
        assert [issue.code for issue in plan.issues] == ["maintenance-unsupported"]
        assert plan.dag("sales__maintenance") is None

    def test_one_run_at_a_time_and_none_for_days_gone_by(self) -> None:
        settings = {"dags": {"catchup": True, "max_active_runs": 4}}
        plan = plan_of(model("a", meta={"maintenance": {"vacuum_table": True}}), settings=settings)
        upkeep, daily = plan.dag("sales__maintenance"), plan.dag("sales__daily")
        assert (upkeep.catchup, upkeep.max_active_runs) == (False, 1)
        assert (daily.catchup, daily.max_active_runs) == (True, 4)

    @pytest.mark.parametrize(
        ("macros", "told"),
        [
            (None, None),
            (("deduplicate", "ttl", "vacuum"), None),
            (("deduplicate",), "`ttl`, `vacuum`, and the manifest has an older copy of the dbt package"),
            ((), "`ttl`, `vacuum`, and the manifest has no dbt package"),
        ],
    )
    def test_without_the_macros_it_is_a_warning_that_breaks_no_domain(
        self, macros: tuple[str, ...] | None, told: str | None
    ) -> None:
        upkeep = {"ttl": {"key": "at", "expiration_timeout": 30}, "vacuum_table": True}
        manifest = project(model("a", meta={"maintenance": upkeep}), model("b"), own_macros=macros)
        plan = build(inputs_of(manifest)).plan
        assert [issue.code for issue in plan.issues] == (["maintenance-package-missing"] if told else [])
        assert all(not issue.is_error and told is not None and told in issue.message for issue in plan.issues)
        assert not any(dag.is_broken for dag in plan.dags)
        assert set(tasks_of(plan, "sales__maintenance")) == {"ttl__a", "vacuum__a"}
        plain = build(inputs_of(project(model("a"), own_macros=macros))).plan
        assert plain.issues == ()


class TestRunModel:
    def test_one_dag_with_a_form(self) -> None:
        plan = plan_of(model("a"), settings={"targets": {"default": "prod"}})
        dag = plan.dag("shop_dbt_run_model")
        (task,) = dag.tasks
        assert (task.task_id, task.control, task.target) == ("dbt_model", Control.RUN_SELECTION, "prod")
        assert [field.name for field in dag.form] == ["models", "target", "full_refresh", "extra"]


KINDS = ("large_tests", "backfill", "maintenance", "freshness", "run_model")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_switched_off(kind: str) -> None:
    kept_up = model("a", "source:web.events", meta={"maintenance": {"vacuum_table": True}})
    entries = (fresh("web", "events"), kept_up, test("big", "a", tags=("@large",)))
    kinds = [other for other in KINDS if other != kind]
    plan = build_of(*entries, settings={"dags": {"kinds": kinds}}).plan
    assert kind not in {dag.kind.value for dag in plan.dags}
    assert set(kinds) <= {dag.kind.value for dag in plan.dags}


def test_deduplicate_without_a_key_is_one_operation_less() -> None:
    asked = {"maintenance": {"deduplicate_table": True, "vacuum_table": True}}
    plan = plan_of(model("a", meta=asked), model("b", "a"), snapshot("s", meta=asked, config={"unique_key": "id"}))
    assert not [issue for issue in plan.issues if issue.is_error]
    without = [issue for issue in plan.issues if issue.code == "maintenance-without-key"]
    assert [issue.node for issue in without] == ["model.shop.a", "snapshot.shop.s"]
    assert sorted(tasks_of(plan, "sales__maintenance")) == ["vacuum__a", "vacuum__s"]
