"""Seeds that are loaded on change, under real Airflow (`dag.test`) and real dbt on DuckDB."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from dag_test_lab import Answer
from many_kinds import plan_of, rows, write_project

from dbt_af_k8s.airflow.seed import DbtSeedOnChangeOperator, last_load
from dbt_af_k8s.dbt.seed_file import seed_checksum
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.values import DagPlan

pytestmark = [pytest.mark.airflow]


@pytest.fixture(scope="module")
def shop(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("seed") / "shop", programs)


def seed_dag(shop: Path) -> DagPlan:
    """The seed and a model after it."""
    dag = plan_of(shop)["sales__daily"]
    seed = next(task for task in dag.tasks if task.task_id == "rates")
    after = next(task for task in dag.tasks if task.task_id == "reader")
    assert seed.on_change
    return replace(dag, tasks=(seed, replace(after, upstream=("rates",))))


@pytest.mark.dbt
@pytest.mark.slow
def test_a_seed_is_loaded_when_its_file_changes(dag_test_lab: Any, shop: Path, tmp_path: Path) -> None:
    dag = seed_dag(shop)

    def run(name: str, *dates: str) -> Answer:
        runs = [{"dag_id": dag.dag_id, "logical_date": f"2026-03-{date}T00:00:00+00:00"} for date in dates]
        return dag_test_lab.run(tmp_path / name, shop, (dag,), runs)

    first = run("1", "01", "02")
    assert first.states(0) == {"rates": "success", "reader": "success"}
    assert first.states(1) == {"rates": "skipped", "reader": "success"}
    assert "Skipped: seed.shop.rates has not changed since it was loaded at" in first.log

    (shop / "seeds" / "sales" / "rates.csv").write_text("code,rate\na,7\n")
    second = run("2", "03", "04")
    assert [second.states(number)["rates"] for number in (0, 1)] == ["success", "skipped"]
    assert rows(shop, "select code, rate from rates") == [("a", 7)]

    # Back to the first file: what counts is the last load, not any.
    (shop / "seeds" / "sales" / "rates.csv").write_text("code,rate\na,1\nb,2\n")
    assert run("3", "05").states()["rates"] == "success"


class FakeTask:
    """A task instance that keeps XCom."""

    task_id = "rates"

    def __init__(self, loads: object, try_number: int = 1) -> None:
        self.loads = loads
        self.try_number = try_number
        self.pushed: dict[str, Any] = {}

    def xcom_pull(self, *, task_ids: str, key: str, include_prior_dates: bool) -> object:
        assert (task_ids, key, include_prior_dates) == ("rates", "loaded", True)
        return self.loads

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value


class Loading(DbtSeedOnChangeOperator):
    """Says that it would have started dbt."""

    def build(self, *args: Any, **named: Any) -> dict[str, Any]:
        return {"status": "success"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "rates.csv").write_text("a\n1\n")
    return tmp_path


def execute(project: Path, ti: FakeTask, target: str = "dev") -> dict[str, Any]:
    seed = DbtSelection("seed.shop.rates", "seed", "shop", ("shop", "rates"))
    operator = Loading(task_id="rates", invocation=DbtInvocation("seed", (seed,), target), project=DbtProject(project))
    run = SimpleNamespace(
        run_type="manual", logical_date=None, run_after=__import__("datetime").datetime.now().astimezone()
    )
    operator.execute({"ti": ti, "dag_run": run, "params": {}})
    return ti.pushed["loaded"]


def test_another_target_is_another_load(project: Path) -> None:
    loaded = execute(project, FakeTask([]))
    unchanged = FakeTask([loaded])
    with pytest.raises(AirflowSkipException):
        execute(project, unchanged)
    assert unchanged.pushed["dbt_af_k8s_skip"]["kind"] == "not-due"
    assert execute(project, FakeTask([loaded]), target="prod")["target"] == "prod"


def test_a_cleared_task_loads_what_has_not_changed(project: Path) -> None:
    loaded = execute(project, FakeTask(None))
    assert execute(project, FakeTask(loaded, try_number=2))["sha256"] == loaded["sha256"]


def test_a_file_that_is_not_found_is_loaded_each_time(project: Path) -> None:
    (project / "seeds" / "rates.csv").unlink()
    loaded = execute(project, FakeTask(None))
    assert loaded["sha256"] is None
    assert execute(project, FakeTask(loaded))["sha256"] is None


def test_the_last_load_is_the_latest_one() -> None:
    old, new = {"at": "2026-01-01T00:00:00+00:00"}, {"at": "2026-01-02T00:00:00+00:00"}
    assert last_load([old, new, None, {"at": 3}, "x"]) == new
    assert last_load(old) == old
    assert last_load(None) is None
    assert last_load([]) is None


def test_by_hand_it_finds_the_csv_in_its_folder(project: Path) -> None:
    (project / "seeds" / "sales").mkdir()
    (project / "seeds" / "rates.csv").rename(project / "seeds" / "sales" / "rates.csv")
    made = Loading.for_seed(task_id="rates", project_dir=project, seed="seed.shop.rates", folder="sales", target="dev")
    (seed,) = made.invocation.nodes
    assert (made.invocation.verb, made.invocation.target) == ("seed", "dev")
    assert seed_checksum(seed, made.project) is not None
    with pytest.raises(UsageError, match=r"no unique_id of a seed"):
        Loading.for_seed(task_id="rates", project_dir=project, seed="model.shop.rates")
