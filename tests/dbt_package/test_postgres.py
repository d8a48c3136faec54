"""The server of the tests themselves."""

from pathlib import Path

import postgres
import psycopg2
import pytest


def test_it_is_a_real_server_that_is_gone_afterwards(postgres_server: postgres.PostgresServer) -> None:
    assert postgres_server.run("select 6 * 7") == [(42,)]
    offered = postgres.offered_server()
    second = next(offered)
    assert second.port != postgres_server.port
    assert second.run("show data_directory") != postgres_server.run("show data_directory")
    ((data,),) = second.run("show data_directory")
    offered.close()
    with pytest.raises(psycopg2.OperationalError):
        second.run("select 1")
    assert not Path(str(data)).exists()
    assert postgres_server.run("select 1") == [(1,)]


@pytest.mark.parametrize(("ci", "kind"), [(None, pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_one_tests_are_skipped_and_in_ci_they_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str | None, kind: type[BaseException]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", ci)
    for program in ("initdb", "postgres"):
        (tmp_path / program).write_text("#!/bin/sh\necho no such luck\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("DBT_AF_K8S_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(kind, match="no PostgreSQL server: "):
        next(postgres.offered_server())
