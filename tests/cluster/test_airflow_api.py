"""The client of Airflow's REST API: logging in, patience, and what is told where it is of no use."""

from pathlib import Path
from typing import Any

import pytest
from airflow_server import AirflowState

from dbt_af_k8s.cluster.airflow_api import AirflowApi, AirflowApiError
from dbt_af_k8s.cluster.airflow_login import AirflowLogin

DAG = "finance__backfill"


class Clock:
    """Sleeps in no time, and remembers for how long."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def api(server: AirflowState, clock: Clock | None = None, **options: Any) -> AirflowApi:
    login = options.pop("login", AirflowLogin(username="admin", password="secret"))
    return AirflowApi(server.url, login, sleep=(clock or Clock()).sleep, **options)


def test_it_logs_in_once_by_name_and_password(server: AirflowState) -> None:
    airflow = api(server)
    assert airflow.dag_ids() == (DAG,)
    assert airflow.dag(DAG) is not None
    assert airflow.dag("none") is None
    assert server.asked.count(("POST", "/auth/token")) == 1


def test_a_token_that_has_run_out_is_replaced(server: AirflowState) -> None:
    airflow = api(server)
    airflow.dag_ids()
    server.tokens.clear()
    assert airflow.dag_ids() == (DAG,)


def test_a_token_file_is_read_anew(server: AirflowState, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("fixed")
    airflow = api(server, login=AirflowLogin(token_file=file))
    airflow.dag_ids()
    server.tokens = {"other"}
    file.write_text("other\n")
    assert airflow.dag_ids() == (DAG,)


@pytest.mark.parametrize(
    "login", [AirflowLogin(token="wrong"), AirflowLogin(username="admin", password="hidden"), AirflowLogin()]
)
def test_a_login_that_is_refused_is_told_without_secrets(server: AirflowState, login: AirflowLogin) -> None:
    clock = Clock()
    with pytest.raises(AirflowApiError) as failed:
        api(server, clock, login=login).dag_ids()
    assert failed.value.status in (401, 403)
    assert "hidden" not in str(failed.value)
    assert clock.slept == []


@pytest.mark.parametrize("fault", [(500, "no"), (503, {}), (429, {}), None])
def test_what_passes_is_waited_for(server: AirflowState, fault: Any) -> None:
    clock, told = Clock(), []
    server.faults = [fault] * 7
    assert api(server, clock, tell=told.append, login=AirflowLogin(token="fixed")).dag_ids() == (DAG,)
    assert clock.slept == [1, 2, 4, 8, 16, 30, 30]
    assert len(told) == 1
    assert "Trying again." in told[0]


def test_patience_has_an_end(server: AirflowState) -> None:
    clock = Clock()
    server.faults = [(502, "bad gateway")] * 99
    with pytest.raises(AirflowApiError, match="502, bad gateway"):
        api(server, clock, patience=10).version()
    assert sum(clock.slept) == 10


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(AirflowApiError, match=r"Airflow cannot be reached, GET \S+/version: Connection refused"):
        AirflowApi("http://127.0.0.1:9", AirflowLogin(), patience=0).version()


def test_what_is_not_airflow_is_told(server: AirflowState) -> None:
    server.faults = [(200, "<html>Hello</html>")]
    with pytest.raises(AirflowApiError, match="it sent no JSON"):
        api(server).version()


def test_a_redirect_is_not_followed(server: AirflowState) -> None:
    server.faults = [(302, {})]
    with pytest.raises(AirflowApiError, match="302"):
        api(server).version()


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_refusal_is_told_at_once(server: AirflowState, status: int) -> None:
    clock = Clock()
    airflow = api(server, clock, login=AirflowLogin(token="fixed"))
    server.faults = [(status, {"detail": "because of\n this"})]
    with pytest.raises(AirflowApiError, match=f"{status}, because of this.") as failed:
        airflow.trigger(DAG, "one", {})
    assert failed.value.status == status
    assert clock.slept == []


def test_a_run_that_is_there_is_not_started_again(server: AirflowState) -> None:
    airflow = api(server)
    assert airflow.trigger(DAG, "a b/c", {"x": 1}, "note" * 1000) is True
    assert airflow.trigger(DAG, "a b/c", {"x": 1}) is False
    assert len(server.runs["a b/c"]["note"]) == 1000
    assert airflow.run(DAG, "a b/c")["conf"] == {"x": 1}  # type: ignore[index]


def test_a_start_whose_answer_was_lost_counts_once(server: AirflowState) -> None:
    """The server has made the run, and the connection breaks: the second try finds it."""
    airflow = api(server, login=AirflowLogin(token="fixed"))
    airflow.trigger(DAG, "lost", {})
    server.faults = [None]
    assert airflow.trigger(DAG, "lost", {}) is False
    assert list(server.runs) == ["lost"]


def test_pages_are_put_together(server: AirflowState) -> None:
    server.runs = {
        f"one_time_x__{number}": {"dag_run_id": f"one_time_x__{number}", "state": "success"} for number in range(250)
    }
    server.runs["other"] = {"dag_run_id": "other", "state": "failed"}
    assert len(api(server).runs(DAG, "one_time_x__")) == 250


def test_what_doctor_asks(server: AirflowState) -> None:
    server.connections = {"k8s": "kubernetes"}
    airflow = api(server)
    assert airflow.version() == "3.3.2"
    assert airflow.health()["scheduler"]["status"] == "healthy"
    assert airflow.pools() == {"default_pool": 128}
    assert airflow.providers() == {"apache-airflow-providers-cncf-kubernetes": "10.25.0"}
    assert airflow.connection_type("k8s") == "kubernetes"
    assert airflow.connection_type("none") is None
