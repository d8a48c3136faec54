"""The private Airflow home: nothing of the user's own Airflow gets in, and one run at a time."""

from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.cli.run_home import PrivateHome, private_home
from dbt_af_k8s.errors import UsageError


def test_environment_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", "/srv/airflow")
    monkeypatch.setenv("AIRFLOW_CONFIG", "/srv/airflow/airflow.cfg")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "cat /srv/secret")
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", "some.Backend")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgres://")
    environment = PrivateHome(tmp_path).environment()
    assert environment["AIRFLOW_HOME"] == str(tmp_path)
    assert environment["AIRFLOW_CONFIG"] == str(tmp_path / "airflow.cfg")
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/airflow.db"
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD" not in environment
    assert "AIRFLOW__SECRETS__BACKEND" not in environment
    assert environment["AIRFLOW_CONN_WAREHOUSE"] == "postgres://"
    assert not [value for value in environment.values() if "/srv/airflow" in value]


def test_home_lies_in_the_target_folder(tmp_path: Path) -> None:
    assert private_home(tmp_path, "target").folder == tmp_path / "target" / "dbt_af_k8s" / "airflow"


def test_or_in_the_cache_where_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").write_text("a file, so no folder can be made in it")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert private_home(tmp_path, "target").folder.parent == tmp_path / "cache" / "dbt_af_k8s"
    (tmp_path / "cache" / "dbt_af_k8s").rename(tmp_path / "old")
    (tmp_path / "cache" / "dbt_af_k8s").write_text("a file")
    with pytest.raises(UsageError, match="can be written"):
        private_home(tmp_path, "target")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    home = PrivateHome(tmp_path)
    with home.locked(), pytest.raises(UsageError, match="Another run"), PrivateHome(tmp_path).locked():
        pass
    with home.locked():
        pass


def test_a_home_of_another_airflow_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "ready").write_text("2.10.0")
    assert not PrivateHome(tmp_path).is_ready()


def test_lines_of_the_log(tmp_path: Path) -> None:
    home = PrivateHome(tmp_path)
    home.log.write_bytes(b"one\ntwo \xff\nthree\n")
    assert home.log_lines(4, 10) == ["two \N{REPLACEMENT CHARACTER}"]


@pytest.mark.airflow
def test_a_child_that_cannot_begin_says_so(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    PrivateHome(tmp_path).run({}, events.append)
    (event,) = events
    assert event["event"] == "fault"
    assert "KeyError" in event["message"]
    assert "Traceback" in (tmp_path / "run.log").read_text()
