"""What every runner must do alike: the same plan, the same node, the same verdict; only the place differs."""

import logging

import pytest
from runners.bench import DAY, Bench

from dbt_af_k8s.airflow.dbt_operator import DbtFailedError

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]


def keys(*names: str) -> tuple[str, ...]:
    return tuple(f"test.shop.{name}" for name in names)


def test_a_model_is_green_with_rows_and_seconds(bench: Bench) -> None:
    task = bench.task("orders")
    result = task.run()
    assert result["status"] == "success"
    assert result["message"] == "model.shop.orders: success OK"
    assert result["rows"] is None
    assert 0 < result["seconds"] < 30
    assert bench.query("select distinct s from main.orders") == [(DAY.isoformat(),)]
    assert "OK created sql table model main.orders" in task.log.text
    assert bench.at_work() == 0


def test_a_seed_tells_its_rows(bench: Bench) -> None:
    assert bench.task("raw", "seed").run()["rows"] == 2


def test_a_failed_data_test_is_red_for_good(bench: Bench) -> None:
    bench.task("orders").run()
    task = bench.task("fails", "test", nodes=keys("fails"))
    with pytest.raises(DbtFailedError, match=r"test\.shop\.fails: fail\nGot 1 result"):
        task.run()


def test_a_test_that_warns_is_green_and_says_so(bench: Bench) -> None:
    task = bench.task("warns", "test", nodes=keys("warns", "id_is_there"))
    result = task.run()
    assert result["status"] == "warn"
    assert result["nodes"] == [
        {"unique_id": "test.shop.warns", "status": "warn", "failures": 1},
        {"unique_id": "test.shop.id_is_there", "status": "pass", "failures": 0},
    ]
    assert (logging.WARNING, True) in {(level, "WARN 1 warns" in line) for level, line in task.log.lines}
