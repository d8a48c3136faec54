"""Where Airflow is, and how to log in there."""

from pathlib import Path

import pytest

from dbt_af_k8s.cluster.airflow_login import AirflowLogin, find_login, find_url, read_login_file
from dbt_af_k8s.errors import UsageError

SERVICE = {"AIRFLOW_API_SERVER_SERVICE_HOST": "10.0.0.7", "AIRFLOW_API_SERVER_SERVICE_PORT": "8080"}


@pytest.mark.parametrize(
    ("given", "env", "url"),
    [
        ("https://airflow.example.com/one/", SERVICE, "https://airflow.example.com/one"),
        (None, SERVICE | {"DBT_AF_K8S_AIRFLOW_URL": "http://here:1"}, "http://here:1"),
        (None, SERVICE | {"AIRFLOW__API__BASE_URL": "http://there"}, "http://10.0.0.7:8080"),
        (None, {"AIRFLOW_API_SERVER_SERVICE_HOST": "fd00::7"}, "http://[fd00::7]:8080"),
        (None, {"AIRFLOW__API__BASE_URL": "http://there"}, "http://there"),
    ],
)
def test_the_first_place_that_names_it_wins(given: str | None, env: dict[str, str], url: str) -> None:
    assert find_url(given, env) == url


def test_no_address_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="DBT_AF_K8S_AIRFLOW_URL"):
        find_url(None, {})


@pytest.mark.parametrize("url", ["airflow:8080", "file:///etc/passwd", "http://", "http://[", "http://a:x", "ftp://a"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="http://host:8080"):
        find_url(url, {})


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="put no login into it") as failed:
        find_url("http://me:hidden@host", {})
    assert "hidden" not in str(failed.value)


def test_the_login_by_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert find_login({}) == AirflowLogin()
    assert find_login({"DBT_AF_K8S_AIRFLOW_TOKEN": " abc "}) == AirflowLogin(token="abc")
    by_file = AirflowLogin(token_file=tmp_path / "token")
    assert find_login({"DBT_AF_K8S_AIRFLOW_TOKEN_FILE": str(tmp_path / "token")}) == by_file
    assert find_login({"DBT_AF_K8S_AIRFLOW_LOGIN_DIR": str(tmp_path)}) == by_file
    by_name = {"DBT_AF_K8S_AIRFLOW_USERNAME": "me", "DBT_AF_K8S_AIRFLOW_PASSWORD": "pw"}
    assert find_login(by_name) == AirflowLogin(username="me", password="pw")
    assert "pw" not in repr(find_login(by_name))
    assert "abc" not in repr(find_login({"DBT_AF_K8S_AIRFLOW_TOKEN": "abc"}))


def test_the_login_by_a_mounted_secret(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has neither `token` nor `username` and `password`"):
        find_login({"DBT_AF_K8S_AIRFLOW_LOGIN_DIR": str(tmp_path)})
    (tmp_path / "username").write_text("me\n")
    (tmp_path / "password").write_text("pw")
    login = find_login({"DBT_AF_K8S_AIRFLOW_LOGIN_DIR": str(tmp_path)})
    assert login == AirflowLogin(username="me", password="pw")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        find_login({"DBT_AF_K8S_AIRFLOW_TOKEN_FILE": str(tmp_path / "none")})
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is no text"):
        read_login_file(tmp_path / "bytes")
