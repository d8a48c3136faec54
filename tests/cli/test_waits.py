"""`dbt-af-k8s waits`."""

import json
from datetime import datetime, timedelta

import pytest
from shop_on_disk import Shop

DAY = ("--start", "2026-02-01", "--end", "2026-02-02")


def test_json_is_the_contract(shop: Shop) -> None:
    (wait,) = shop.json("waits", "sales__daily", *DAY)
    assert list(wait) == ["task_id", "waits_for", "runs"]
    assert wait["task_id"] == "wait__orders__all"
    assert wait["waits_for"] == {"dag_id": "sales__hourly", "task_id": "orders__tests"}
    assert len(wait["runs"]) == 24
    assert wait["runs"][0] == {"start": "2026-02-01T00:00:00+00:00", "end": "2026-02-01T01:00:00+00:00"}
    assert wait["runs"][-1]["end"] == "2026-02-02T00:00:00+00:00"


def test_offsets_are_answered_in_utc(shop: Shop) -> None:
    interval = ("--start", "2026-02-01T01:00:00+01:00", "--end", "2026-02-02T01:00:00+01:00")
    assert shop.json("waits", "sales__daily", *interval) == shop.json("waits", "sales__daily", *DAY)


def test_text_cuts_long_lists(shop: Shop) -> None:
    result = shop.run("waits", "sales__daily", *DAY)
    assert result.exit_code == 0
    assert "2026-02-01 00:00 → 2026-02-02 00:00 (UTC)" in result.stdout
    assert "24 runs" in result.stdout
    assert "last   2026-02-01 23:00 → 2026-02-02 00:00" in result.stdout


def test_runs_before_the_start_date_are_none(shop: Shop) -> None:
    before = ("--start", "2025-12-30", "--end", "2025-12-31")
    assert shop.json("waits", "sales__daily", *before)[0]["runs"] == []
    assert "none: such a run would begin before the start date" in " ".join(
        shop.run("waits", "sales__daily", *before).stdout.split()
    )


def test_default_is_the_last_full_interval(shop: Shop) -> None:
    (wait,) = shop.json("waits", "sales__daily")
    start, end = (datetime.fromisoformat(wait["runs"][index][key]) for index, key in ((0, "start"), (-1, "end")))
    assert end - start == timedelta(days=1)
    assert end <= datetime.now(end.tzinfo)


@pytest.mark.parametrize("dag_id", ["sales__hourly", "science__manual"])
def test_a_dag_that_waits_for_nothing(shop: Shop, dag_id: str) -> None:
    assert shop.json("waits", dag_id, *DAY) == []
    assert "waits for nothing" in shop.run("waits", dag_id, *DAY).stdout


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("sales__dayly",), "Did you mean `sales__daily`"),
        (("sales__daily", "--start", "2026-02-01"), "give both, or leave both empty"),
        (("sales__daily", "--start", "2026-02-02", "--end", "2026-02-01"), "is not after"),
        (("sales__daily", "--start", "yesterday", "--end", "2026-02-01"), "no date and time"),
        (("sales__daily", "--start", "0001-01-01", "--end", "9999-12-31"), "lies in the year 0001"),
        (("sales__daily", "--start", "2026-01-01", "--end", "2199-12-31"), "more than 100 years"),
    ],
)
def test_usage(shop: Shop, argv: tuple[str, ...], message: str) -> None:
    result = shop.run("waits", *argv)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_json_times_are_sorted(shop: Shop) -> None:
    waits = json.loads(shop.run("waits", "finance__weekly", "--format", "json", *DAY).stdout)
    for wait in waits:
        assert wait["runs"] == sorted(wait["runs"], key=lambda run: run["start"])
