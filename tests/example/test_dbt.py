"""The example is a good dbt project by itself: no deprecation, no warning, and intervals that can run twice."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

EVERY_WARNING_IS_AN_ERROR = ("--warn-error-options", '{"error": "all"}')
EVENING = "{start_dttm: '2026-01-11T23:00:00+00:00', end_dttm: '2026-01-12T00:00:00+00:00'}"
MORNING_IN_BERLIN = "{start_dttm: '2026-01-08T00:00:00+01:00', end_dttm: '2026-01-08T12:00:00+01:00'}"


def dbt(programs: Path, shop: Path, *argv: str) -> str:
    """Run dbt in the project; its output."""
    command = [programs / "dbt", argv[0], "--profiles-dir", ".", "--no-partial-parse", *argv[1:]]
    done = subprocess.run(command, cwd=shop, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def rows(shop: Path, query: str) -> list[tuple[object, ...]]:
    """What a query gives in the shop's database."""
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_dbt_builds_it_without_a_warning(fresh_shop: Path, programs: Path) -> None:
    output = dbt(programs, fresh_shop, "build", *EVERY_WARNING_IS_AN_ERROR)
    assert "WARN=0 ERROR=0 SKIP=0" in output
    assert rows(fresh_shop, "select count(*) from main_raw.raw_orders join orders_v2 using (order_id)") == [(30,)]
    assert rows(fresh_shop, "select count(*) from customers_history where dbt_valid_to is null") == [(12,)]
    assert rows(fresh_shop, "select sum(visits), sum(orders) from channel_report") != [(0, 0)]


def test_an_interval_that_runs_twice_leaves_the_same_rows(fresh_shop: Path, programs: Path) -> None:
    everything = "select * from visits order by visit_id"
    only = ("--resource-type", "seed", "--resource-type", "model", "--select", "raw_visits", "visits")
    dbt(programs, fresh_shop, "build", *only, "--vars", MORNING_IN_BERLIN)
    first = rows(fresh_shop, everything)
    # 12:00 in Berlin is 11:00 UTC: the first run takes everything before, and nothing after.
    assert rows(fresh_shop, "select max(visited_at) < timestamp '2026-01-08 11:00' from visits") == [(True,)]
    assert rows(fresh_shop, "select count(*) from main_raw.raw_visits where visited_at < '2026-01-08 11:00'") == [
        (len(first),)
    ]

    dbt(programs, fresh_shop, "run", "--select", "visits", "--vars", MORNING_IN_BERLIN)
    assert rows(fresh_shop, everything) == first

    dbt(programs, fresh_shop, "run", "--select", "visits", "--vars", EVENING)
    with_evening = rows(fresh_shop, everything)
    assert len(with_evening) == len(first) + 1
    dbt(programs, fresh_shop, "run", "--select", "visits", "--vars", EVENING)
    assert rows(fresh_shop, everything) == with_evening


def test_the_script_for_kubernetes_is_an_ordinary_script(fresh_shop: Path) -> None:
    script = fresh_shop / "models" / "science" / "train_churn_model.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert '"weight": ' in done.stdout
