"""A small project on disk for the commands, and a terminal without surprises."""

from pathlib import Path

import pytest
from shop_on_disk import Shop


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colour, one width, and nothing of the caller's dbt and Airflow."""
    for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR", "DBT_TARGET", "COLUMNS", "FORCE_COLOR", "DBT_AF_K8S_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture
def empty_shop(tmp_path: Path) -> Shop:
    """A project without a node, not written yet."""
    return Shop(tmp_path / "shop")


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    """Two domains: sales (hourly and daily) and finance (weekly), which waits for both."""
    return (
        empty_shop.model("orders", schedule="@hourly")
        .test("unique_orders", "orders")
        .model("totals", "orders", dependencies={"orders": {"wait_policy": "all"}})
        .model(
            "revenue",
            "orders",
            "totals",
            folder="finance",
            schedule="@weekly",
            dependencies={"orders": {"wait_policy": "all"}},
        )
        .model("forecast", "orders", folder="science", schedule="@manual")
        .write()
    )
