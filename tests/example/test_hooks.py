"""What the shop's DAGs call: its alerts and its report server, found as Airflow finds them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from dbt_af_k8s.airflow import RefreshError
from dbt_af_k8s.airflow.by_name import find_by_name

SHOP = Path(__file__).resolve().parents[2] / "example_project"
SETTINGS = yaml.safe_load((SHOP / "dbt_af_k8s.yml").read_text(encoding="utf-8"))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the shop's two Python files."""
    for file in ("shop_alerts.py", "shop_reports.py"):
        shutil.copy(SHOP / file, tmp_path)
    return tmp_path


def test_the_alerts_say_what_failed_and_whose_it_is(shop: Path) -> None:
    callbacks = SETTINGS["callbacks"]
    task = SimpleNamespace(owner="Finance team", dag_id="finance__office_morning", task_id="payments")
    error = ValueError("no such\ntable")
    find_by_name(callbacks["task"]["on_failure"], {}, shop)({"task": task, "exception": error})
    find_by_name(callbacks["dag"]["on_failure"], {}, shop)({"dag": task, "run_id": "manual__1"})
    assert (shop / "target" / "alerts.txt").read_text(encoding="utf-8").splitlines() == [
        "Finance team: finance__office_morning.payments failed: no such table",
        "finance__office_morning: the run manual__1 failed",
    ]


def test_the_report_server_is_asked_for_the_page_of_the_exposure(shop: Path) -> None:
    server = find_by_name(SETTINGS["integrations"]["providers"]["report_server"], {}, shop)()
    told = server.refresh({"page": "revenue", "exposure": {"name": "morning_report", "url": "https://x.example"}})
    assert told == "https://x.example reads its data anew, page revenue."
    assert (shop / "target" / "refreshed.txt").read_text(encoding="utf-8") == told + "\n"
    with pytest.raises(RefreshError, match="morning_report has no url"):
        server.refresh({"page": "revenue", "exposure": {"name": "morning_report", "url": None}})
