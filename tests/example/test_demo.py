"""`make demo`, whole: dbt, the plan, real Airflow, and the rows that come out."""

import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dbt_af_k8s.plan.values import DagKind

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    """What a query gives."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def shop(parsed_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: the demo parses the project anew, for a database of its own."""
    return Path(shutil.copytree(parsed_shop, tmp_path_factory.mktemp("demo") / "example_project"))


@pytest.fixture(scope="module")
def demo(shop: Path, programs: Path) -> str:
    """The output of a whole demo."""
    done = subprocess.run([programs / "python", str(shop / "demo.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_runs_every_scheduled_dag_after_those_it_waits_for(demo: str) -> None:
    command, *_ = (line for line in demo.splitlines() if line.startswith("$ dbt-af-k8s run "))
    ran = command.split()[3 : command.split().index("--date")]
    assert sorted(ran) == [
        "finance__office_morning",
        "marketing__weekly_shift_1_days",
        "raw__daily",
        "raw__freshness",  # models wait for the tests of their sources
        "sales__daily",
        "sales__large_tests__daily",
        "science__manual",
        "web__hourly",
    ]
    assert ran[0] == "raw__daily"
    assert ran.index("web__hourly") < ran.index("sales__daily")
    assert ran.index("sales__daily") < min(
        ran.index("finance__office_morning"), ran.index("marketing__weekly_shift_1_days")
    )


def test_it_runs_one_of_each_kind_and_says_so_at_the_end(demo: str) -> None:
    """A row of the table: the kind (where it is not that of the row before), the DAG, its runs, its tasks, the time."""
    table = demo[demo.rindex("What ran") :].splitlines()
    rows = [re.split(r"\s{2,}", line.strip()) for line in table if " done" in line]
    kinds = [row[0] for row in rows if len(row) == 5]
    assert set(kinds) == {kind.replace("_", " ") for kind in DagKind}
    assert len(kinds) == len(set(kinds))
    told = {row[-4]: row[-3:-1] for row in rows}
    assert told["web__backfill"] == ["2", "6 done, 4 skipped"]  # two chunks
    assert told["shop_dbt_run_model"] == ["1", "1 done"]
    assert told["sales__daily"] == ["1", "11 done, 1 skipped"]  # not March
    assert "refresh__morning_report  a run here refreshes nothing" in demo


def test_each_domain_leaves_the_rows_of_its_interval(demo: str, shop: Path) -> None:
    database = shop / "target" / "demo.duckdb"
    # web ran up to six o'clock on Monday, sales and marketing up to midnight: the order of Monday is not theirs yet.
    assert rows(database, "select count(*), count(*) filter (visited_at >= '2026-01-12') from visits") == [(72, 2)]
    assert rows(database, "select count(*), max(ordered_at) < '2026-01-12' from orders_v2") == [(30, True)]
    assert rows(database, "select count(*) from customers_history") == [(12,)]
    assert rows(database, "select sum(orders) from revenue_by_day") == [(30,)]
    week = rows(database, "select sum(visits), sum(orders), sum(value_eur) from channel_report")
    assert week == rows(database, "select 70, 30, sum(value_eur) from orders_v2")


def test_maintenance_deletes_old_hours_and_the_backfill_brings_two_days_back(demo: str, shop: Path) -> None:
    """The interval of the daily DAG ends on Monday at midnight, so its three days begin on Friday."""
    database = shop / "target" / "demo.duckdb"
    hours = rows(database, "select distinct visit_hour from visits order by visit_hour")
    left = rows(database, "select distinct visit_hour from visits_by_hour order by visit_hour")
    wednesday = datetime(2026, 1, 7)  # noqa: DTZ001  as DuckDB gives it
    assert left == [hour for hour in hours if hour[0] >= wednesday]
    assert 0 < len(left) < len(hours)
    assert "2026-01-09 06:00:00" in demo  # what maintenance left


def test_a_person_runs_a_model_that_its_schedule_skips(demo: str, shop: Path) -> None:
    assert "spring_sale  skipped" in demo
    assert rows(shop / "target" / "demo.duckdb", "select sum(orders) from spring_sale") == [(30,)]


def test_it_draws_the_map_and_says_what_to_open(demo: str, shop: Path) -> None:
    page = (shop / "target" / "domains.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert all(domain in page for domain in ("raw", "web", "sales", "finance", "marketing"))
    assert "target/domains.html" in "\n".join(demo.splitlines()[-10:])
