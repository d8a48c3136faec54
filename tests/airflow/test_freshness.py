"""Checks of sources and the gate under real Airflow (`dag.test`) and real dbt on DuckDB."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dag_test_lab import Answer, asked, read
from many_kinds import plan_of, write_project

from dbt_af_k8s.airflow.freshness import DbtFreshnessOperator, DbtFreshnessSensor
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.values import DagPlan

pytestmark = pytest.mark.airflow
LIMITS = "warn after 1 hour, error after 2 hours"


@pytest.fixture(scope="module")
def shop(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("freshness") / "shop", programs)


def only(dag: DagPlan, *task_ids: str, **changes: Any) -> DagPlan:
    """Some tasks of a planned DAG, without what comes before them."""
    tasks = tuple(replace(task, **changes) for task in dag.tasks if task.task_id in task_ids)
    inside = {task.task_id for task in tasks}
    tasks = tuple(replace(task, upstream=tuple(up for up in task.upstream if up in inside)) for task in tasks)
    return replace(dag, tasks=tasks)


@pytest.fixture(scope="module")
def checks(dag_test_lab: Any, shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    names = ("aging", "fresh", "missing", "stale")
    dag = only(plan_of(shop)["sales__freshness"], *(f"fresh__raw__{name}" for name in names))
    return dag_test_lab.run(tmp_path_factory.mktemp("dags") / "checks", shop, (dag,), [{"dag_id": dag.dag_id}])


@pytest.mark.dbt
@pytest.mark.slow
def test_a_check_is_as_green_as_its_source_is_young(checks: Answer) -> None:
    assert checks.states() == {
        "fresh__raw__aging": "success",
        "fresh__raw__fresh": "success",
        "fresh__raw__missing": "failed",
        "fresh__raw__stale": "failed",
    }
    assert "Old, but not too old: source.shop.raw.aging: the newest row is 1 h 3" in checks.log
    assert "Too old: source.shop.raw.stale: the newest row is 5 h" in checks.log
    assert "Table with name missing does not exist" in checks.log


@pytest.mark.dbt
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "status", "hours"), [("aging", "warn", 1), ("fresh", "pass", 0), ("stale", "error", 5)]
)
def test_the_age_is_in_xcom_also_of_a_stale_source(checks: Answer, name: str, status: str, hours: int) -> None:
    result = checks.task(f"fresh__raw__{name}")["result"]
    assert (result["status"], result["limits"], int(result["age"] // 3600)) == (status, LIMITS, hours)
    looked, loaded = (datetime.fromisoformat(result[key]) for key in ("snapshotted_at", "max_loaded_at"))
    assert (looked - loaded).total_seconds() == pytest.approx(result["age"], abs=0.01)


def write_late(shop: Path, seen: datetime) -> None:
    (shop / "late.csv").write_text(f"seen\n{seen:%Y-%m-%d %H:%M:%S}\n")


@pytest.mark.dbt
@pytest.mark.slow
def test_the_gate_opens_when_the_source_is_fresh(dag_test_lab: Any, shop: Path, tmp_path: Path) -> None:
    """First dbt cannot tell, then the source is stale, then it is fresh."""
    dag = only(plan_of(shop)["sales__daily"], "fresh__raw__late", "reader", poke=1)
    signs: Iterator[tuple[str, datetime]] = iter(
        [("could not tell", datetime(2026, 1, 1, tzinfo=UTC)), ("Too old", datetime.now(UTC))]
    )
    sign, moment = next(signs)
    lines = []
    with dag_test_lab.start(tmp_path / "dags", shop, (dag,)) as child:
        child.stdin.write(asked([{"dag_id": dag.dag_id}]))
        child.stdin.close()
        for line in child.stdout:
            lines.append(line)
            if sign in line:
                write_late(shop, moment)
                sign, moment = next(signs, ("no more", moment))
    answer = read("".join(lines))
    assert answer.states() == {"fresh__raw__late": "success", "reader": "success"}
    assert answer.task("fresh__raw__late")["result"]["status"] == "pass"
    told = [
        position
        for word in ("could not tell how old", "Too old: source", "Fresh: source")
        if (position := answer.log.find(word)) >= 0
    ]
    assert len(told) == 3
    assert told == sorted(told)


@pytest.mark.dbt
@pytest.mark.slow
def test_a_gate_gives_up_and_says_how_old_the_source_is(dag_test_lab: Any, shop: Path, tmp_path: Path) -> None:
    write_late(shop, datetime(2026, 1, 1, tzinfo=UTC))
    dag = only(plan_of(shop)["sales__daily"], "fresh__raw__late", "reader", poke=1, timeout=1)
    answer = dag_test_lab.run(tmp_path / "dags", shop, (dag,), [{"dag_id": dag.dag_id}])
    assert answer.states() == {"fresh__raw__late": "failed", "reader": "upstream_failed"}
    assert "Waited 1 s for source.shop.raw.late to be fresh. Last look: Too old: source.shop.raw.late" in answer.log
    assert LIMITS in answer.log


@pytest.mark.parametrize(("poke", "mode"), [(1, "poke"), (59, "poke"), (60, "reschedule"), (300, "reschedule")])
def test_a_gate_keeps_its_slot_only_between_looks_that_are_near(poke: int, mode: str) -> None:
    gate = DbtFreshnessSensor(
        task_id="gate",
        invocation=DbtInvocation("freshness", (node_by_id("source.shop.raw.late"),)),
        project=DbtProject(Path("/nowhere")),
        poke_interval=poke,
        timeout=3600,
    )
    assert (gate.mode, gate.timeout, gate.poke_interval) == (mode, 3600, poke)


@pytest.mark.dbt
def test_by_hand_it_looks_at_the_source_that_is_named(shop: Path) -> None:
    source = "source.shop.raw.fresh"
    check = DbtFreshnessOperator.for_source(task_id="fresh", project_dir=shop, profiles_dir=shop, source=source)
    gate = DbtFreshnessSensor.for_source(
        task_id="gate", project_dir=shop, profiles_dir=shop, source=source, poke_interval=60, timeout=3600
    )
    assert (gate.invocation, gate.project) == (check.invocation, check.project)
    run = SimpleNamespace(run_type="manual", logical_date=None, run_after=datetime.now(UTC))
    assert check.execute({"dag_run": run, "params": {}})["status"] == "pass"
    with pytest.raises(UsageError, match=r"no unique_id of a source"):
        DbtFreshnessOperator.for_source(task_id="fresh", project_dir=shop, source="raw.fresh")
