"""How the plan words the problems of a project: each case is a small project, its golden what `check` would tell.

UPDATE_GOLDENS=1 writes the goldens anew.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from building import PROFILE, model, plan_of, source, test

from dbt_af_k8s.manifest.values import Node, Source
from dbt_af_k8s.plan.values import Plan
from dbt_af_k8s.route.runners import Work

GOLDENS = Path(__file__).parent / "told"
MANY = tuple(f"m{number}" for number in range(6))


@dataclass(frozen=True)
class Case:
    """A project and its settings."""

    entries: tuple[Node | Source, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> Plan:
        return plan_of(*self.entries, settings=self.settings, profile=PROFILE)


def fresh(name: str, **limits: Any) -> Source:
    return replace(source("raw", name), freshness=limits, loaded_at_field="at")


HOUR = {"count": 1, "period": "hour"}
ON_PROD = {"runners": {"prod": {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:1"}}}}
CASES: dict[str, Case] = {
    "schedule_of_a_tested_model": Case(
        (model("orders", config={"schedule": "@dayly"}), *(test(f"t{number}", "orders") for number in range(5)))
    ),
    "target_of_many": Case(tuple(model(name, folder=name[:1], config={"dbt_target": "pord"}) for name in MANY)),
    "target_of_many_domains": Case(tuple(model(name, folder=name, config={"dbt_target": "pord"}) for name in MANY)),
    "target_of_the_settings": Case(tuple(model(name) for name in MANY), {"targets": {"default": "pord"}}),
    "target_of_three": Case(tuple(model(name, config={"dbt_target": "pord"}) for name in MANY[:3])),
    "foreign_meta_of_many": Case(tuple(model(name, meta={"schedule": 5, "pool": ["a"]}) for name in MANY)),
    "named_schedules": Case(
        (model("orders"),),
        {
            "schedules": {
                "office": {"cron": "0 25 * * *"},
                "never": {"cron": "0 0 30 2 *"},
                "night": {"cron": "0 1 * * *"},
            }
        },
    ),
    "catchup_over_a_clock_change": Case(
        (
            model("orders", config={"schedule": "*/15 * * * 1-5"}),
            model("web", folder="web", config={"schedule": "*/15 * * * 1-5"}),
            model("people", config={"schedule": "@hourly"}),
        ),
        {"dags": {"catchup": True, "timezone": "Europe/Berlin"}},
    ),
    "no_catchup_over_a_clock_change": Case(
        (model("orders", config={"schedule": "*/15 * * * 1-5"}),), {"dags": {"timezone": "Europe/Berlin"}}
    ),
    "pod_overrides": Case(
        (
            model("orders", meta={"executor_config": {"pod_override": {"spec": {"containers": [{"nam": "base"}]}}}}),
            model("people", meta={"executor_config": {"pod_override": "big"}}),
        ),
        {"tasks": [{"executor_config": {"pod_override": {"metdata": {}, "spec": {"tolerations": "all"}}}}]},
    ),
    "runner_of_maintenance": Case(
        (model("orders", meta={"maintenance": {"vacuum_table": True}}), model("web", folder="web")),
        {**ON_PROD, "targets": {"maintenance": "prod"}},
    ),
    "runner_of_backfill": Case(
        (*(model(name) for name in MANY[:5]), model("web", folder="web", config={"dbt_target": "dev"})),
        {**ON_PROD, "targets": {"backfill": "prod"}},
    ),
    "runner_of_one_in_a_backfill": Case((model("orders", config={"bf_cluster": "prod"}), model("people")), ON_PROD),
    "runner_of_freshness": Case(
        (
            replace(fresh("events", error_after=HOUR), meta={"dbt_af_k8s": {"dbt_target": "prod"}}),
            model("orders", "source:raw.events", folder="sales"),
        ),
        ON_PROD,
    ),
    "runner_of_the_selection": Case(
        (model("orders", config={"dbt_target": "dev", "bf_cluster": "dev"}),),
        {**ON_PROD, "targets": {"default": "prod"}},
    ),
}


@pytest.fixture(autouse=True)
def _only_local_can_do_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every runner can do everything today; the words are for one that will not."""
    monkeypatch.setattr("dbt_af_k8s.route.runners.ABILITIES", {"local": frozenset(Work)})


@pytest.mark.parametrize("name", CASES)
def test_the_words(name: str) -> None:
    plan = CASES[name].plan()
    broken = sorted(dag.dag_id for dag in plan.dags if dag.is_broken)
    text = "".join(f"{issue}\n" for issue in plan.issues)
    text += "".join(f"broken: {dag_id}\n" for dag_id in broken)
    golden = GOLDENS / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDENS") and not os.environ.get("CI"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("runner_")])
def test_no_task_is_left_that_its_runner_cannot_do(name: str) -> None:
    plan = CASES[name].plan()
    assert plan.issues
    assert {task.runner for dag in plan.dags for task in dag.tasks if task.dbt is not None} <= {"local"}
