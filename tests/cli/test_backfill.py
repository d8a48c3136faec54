"""`dbt-af-k8s backfill plan`."""

import pytest
from shop_on_disk import Shop, run

RANGE = ("--from", "2026-01-05", "--to", "2026-01-08")


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """With every kind of DAG."""
    return shop.settings("strict: false\n")


def test_json_has_it_all(shop: Shop) -> None:
    told = shop.json("backfill", "plan", "finance", *RANGE, "--chunk", "day", "--full-refresh")
    assert list(told) == ["dag_id", "domain", "form", "chunks", "tasks", "goes_first"]
    assert told["dag_id"] == "finance__backfill"
    assert told["form"]["full_refresh"] is True
    assert told["chunks"][0] == {"start": "2026-01-05T00:00:00+00:00", "end": "2026-01-06T00:00:00+00:00"}
    assert len(told["chunks"]) == 3
    assert told["tasks"] == [
        {"task_id": "revenue", "kind": "run", "nodes": ["model.shop.revenue"], "target": "dev"},
    ]
    assert [(need["domain"], need["nodes"]) for need in told["goes_first"]] == [
        ("sales", ["model.shop.orders", "model.shop.totals"])
    ]


def test_text_names_chunks_tasks_and_domains(shop: Shop) -> None:
    result = shop.run("backfill", "plan", "sales", *RANGE, "--chunk", "hour", "--with-tests", "--full-refresh")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "sales__backfill: 72 chunks of 3 tasks each" in text
    assert "11 2026-01-05 10:00 2026-01-05 11:00 ... 72 2026-01-07 23:00 2026-01-08 00:00" in text
    assert "orders run dev orders__tests test dev totals run dev" in text
    assert "The first chunk builds incremental models and seeds anew" in text
    assert "It reads no other domain." in text
    assert "sales 2026-01-" in " ".join(shop.run("backfill", "plan", "finance", *RANGE).stdout.split())


def test_everything_that_is_wrong_is_told_by_the_names_of_the_options(shop: Shop) -> None:
    result = shop.run("backfill", "plan", "sales", "--from", "soon", "--to", "2026-01-01", "--models", "-x")
    assert result.exit_code == 2
    text = " ".join(result.stderr.split())
    assert "--from is no date and time that can be read: 'soon'" in text
    assert '--models cannot hold "-x"' in text
    nothing = shop.run("backfill", "plan", "sales", *RANGE, "--models", "ordrs")
    assert nothing.exit_code == 2
    assert "did you mean `orders`?" in " ".join(nothing.stderr.split())


def test_an_unknown_domain_names_what_comes_close(shop: Shop) -> None:
    result = shop.run("backfill", "plan", "fiance", *RANGE)
    assert result.exit_code == 2
    assert "Did you mean `finance`" in result.stderr


def test_a_range_is_needed() -> None:
    assert run("backfill", "plan", "sales").exit_code == 2
