"""What dbt sees of the server: its variables, its processes, its files."""

import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import TOKENS, tokens
from server_process import ServerProcess, serving

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.server.environment import gets, missed_hint
from dbt_af_k8s.server.run_as import DbtUser, dbt_user, read_left
from dbt_af_k8s.server.settings import ServerConfig

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as another user")
SECRET = "the-server-s-secret-that-nobody-sees"


def config(**settings: Any) -> ServerConfig:
    return ServerConfig.model_validate({"projects": {"shop": {"project_dir": "."}}, **settings})


def test_dbt_gets_what_the_list_says() -> None:
    jwt = {"issuer": "i", "audience": "a", "secret_variable": "DBT_JWT", "algorithms": ["HS256"]}
    own = {"state": {"postgres_variable": "DBT_STATE"}, "auth": {"jwt": jwt}}
    settings = config(**own, dbt={"environment": ["SNOWFLAKE_*", "WAREHOUSE", "*SECRET*", "DBT_STATE"]})
    got = ("PATH", "HOME", "LC_ALL", "PYTHONPATH", "DBT_TARGET", "https_proxy", "SNOWFLAKE_USER", "WAREHOUSE", "SECRET")
    kept = ("AWS_ACCESS_KEY_ID", "WAREHOUSE_2", "PGPASSWORD", "DBT_AF_K8S_AIRFLOW_TOKEN", "DBT_STATE", "DBT_JWT")
    assert [name for name in got if not gets(name, settings)] == []
    assert [name for name in (*kept, "DBT_AF_K8S_SERVER_SECRET") if gets(name, settings)] == []


def test_a_variable_that_dbt_misses_is_named() -> None:
    said = "Parsing Error\n  Env var required but not provided: 'WAREHOUSE'"
    assert "name WAREHOUSE in `dbt.environment`" in missed_hint(said)
    assert "Set DBT_USER where" in missed_hint(said.replace("WAREHOUSE", "DBT_USER"))
    assert missed_hint("Something else") == ""


def test_only_plain_files_that_dbt_wrote_are_read(tmp_path: Path) -> None:
    """A link to a file of ours, a hard link, a pipe that never ends, and one that is too large."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    (tmp_path / "link").symlink_to(secret)
    (tmp_path / "hard").hardlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "plain").write_text("x" * 100)
    with pytest.raises(OSError, match="symbolic"):
        read_left(tmp_path / "link", 1000)
    assert [read_left(tmp_path / name, 1000) for name in ("hard", "pipe")] == [None, None]
    assert read_left(tmp_path / "plain", 99) is None
    assert read_left(tmp_path / "plain", 100) == b"x" * 100
    with pytest.raises(FileNotFoundError):
        read_left(tmp_path / "none", 10)


def test_users_that_cannot_be_are_told() -> None:
    assert dbt_user(None) == DbtUser()
    with pytest.raises(UsageError, match="no user nobody-of-that-name"):
        dbt_user("nobody-of-that-name")
    with pytest.raises(UsageError, match="root has all"):
        dbt_user("root")


# --- a dbt that looks around

#: Writes what it sees into its log: who it is, its variables, and those of the process above it and of the server.
SPY = """#!/bin/sh
target= ; all="$*"
while [ $# -gt 0 ]; do [ "$1" = --target-path ] && target=$2; shift; done
say() { printf '{"info": {"level": "info", "name": "Spy", "msg": "%s"}}\\n' "$(echo "$1" | tr '\\0\\n"' '   ')"; }
say "user $(id -u) home $HOME"
say "mine $(env)"
say "above $(cat /proc/$PPID/environ 2>&1)"
say "files $(ls -l /proc/$PPID/fd 2>&1)"
say "state $(cat @STATE@ 2>&1)"
ln -s @STATE@ "$target/run_results.json"
echo '{"fine": true}' > "$target/sources.json"
"""


@pytest.fixture
def everybody_s() -> Iterator[Path]:
    """A folder that everybody may enter; those of pytest are the user's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def spied(everybody_s: Path) -> dict[str, Any]:
    """The settings of a server whose dbt is a spy."""
    tmp_path = everybody_s
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    spy = tmp_path / "spy"
    spy.write_text(SPY.replace("@STATE@", shlex.quote(str(tmp_path / "home" / "state.sqlite"))))
    spy.chmod(0o755)
    return {
        "projects": {"shop": {"project_dir": str(tmp_path), "executable": str(spy), "warm": False}},
        "auth": tokens(),
        "state": {"file": "state.sqlite"},
        "dbt": {"environment": ["FOR_DBT"]},
    }


def look_around(folder: Path, settings: dict[str, Any]) -> tuple[str, ServerProcess]:
    """What the spy tells."""
    variables = {"DBT_AF_K8S_SERVER_SECRET": SECRET, "UNLISTED": SECRET, "FOR_DBT": "for-dbt", "DBT_OWN": "dbt-own"}
    with serving(folder / "home", settings, **variables) as server:
        server.token = TOKENS["admin"]
        server.ready()
        server.invoke("spy", "ls")
        run = server.ended("spy")
        assert run["state"] == "SUCCESS", run["exc_message"]
        told = server.get("/runs/spy/logs?size=1000000").json["content"]
        # Neither what it links to, nor anything that is not its own.
        names = [each["name"] for each in server.get("/runs/spy/artifacts").json["artifacts"]]
        assert names == ["sources.json"]
        # The server itself shows nothing, to whomever.
        for pid in (server.process.pid, *children(server.process.pid)):
            assert SECRET not in environ(pid)
        assert SECRET not in server.log.read_text()
        assert "UNLISTED" in str([line.get("names") for line in server.logged()])
    return told, server


def environ(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    found = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(each) for each in found.split()]


@linux
@pytest.mark.slow
def test_dbt_finds_no_secret_of_the_server(everybody_s: Path, spied: dict[str, Any]) -> None:
    told, _ = look_around(everybody_s, spied)
    assert SECRET not in told
    assert "FOR_DBT=for-dbt" in told
    assert "DBT_OWN=dbt-own" in told
    assert "memfd" not in told
    assert f"user {os.geteuid()} " in told
    assert stat.S_IMODE((everybody_s / "home" / "state.sqlite").stat().st_mode) == 0o600


@linux
@root
@pytest.mark.slow
def test_dbt_runs_as_another_user(everybody_s: Path, spied: dict[str, Any]) -> None:
    spied["dbt"]["run_as"] = "nobody"
    told, _ = look_around(everybody_s, spied)
    assert "user 65534 home /nonexistent" in told
    assert SECRET not in told
    # Neither the process above it nor the state is to be looked into.
    for what in ("above", "state"):
        line = next(line for line in told.splitlines() if f'"msg": "{what} ' in line)
        assert "Permission denied" in line or "cannot open" in line, line


# --- dbt itself

DUCK = {
    "dbt_project.yml": 'name: duck\nversion: "1.0"\nprofile: duck\n',
    "profiles.yml": (
        "duck:\n  target: main\n  outputs:\n"
        "    main: {type: duckdb, path: \"{{ env_var('WAREHOUSE') }}\", threads: 1}\n"
    ),
    # DuckDB reads the files of the machine on which dbt runs.
    "models/spy.sql": (
        "{{ config(materialized='table') }} select filename, content, '{{ env_var('UNLISTED', 'nothing') }}' as seen "
        "from read_text([{% for pid in var('pids', ['self']) %}'/proc/{{ pid }}/environ',{% endfor %}])"
    ),
}


@linux
@pytest.mark.dbt
@pytest.mark.slow
@pytest.mark.parametrize("run_as", [None, pytest.param("nobody", marks=root)])
def test_a_model_that_reads_the_processes_above_it_finds_nothing(everybody_s: Path, run_as: str | None) -> None:
    """The variables of the server and of the process that has dbt imported, read by a model."""
    if run_as is not None and not _reaches(run_as, Path(sys.executable).resolve()):
        pytest.skip(f"{run_as} cannot run this Python")
    duck = everybody_s / "duck"
    for name, text in DUCK.items():
        (duck / name).parent.mkdir(parents=True, exist_ok=True)
        (duck / name).write_text(text)
    (everybody_s / "warehouse").mkdir()
    (everybody_s / "warehouse").chmod(0o777)
    warehouse = everybody_s / "warehouse" / "warehouse.duckdb"
    settings: dict[str, Any] = {"projects": {"duck": {"project_dir": str(duck)}}, "auth": tokens()}
    variables = {"DBT_AF_K8S_SERVER_SECRET": SECRET, "UNLISTED": SECRET, "WAREHOUSE": str(warehouse)}
    if run_as is None:
        with serving(everybody_s / "home", settings, **variables) as server:
            server.token = TOKENS["admin"]
            server.ready()
            # The profile asks for a variable that dbt does not get: that is said, with the name and what to do.
            assert "name WAREHOUSE in `dbt.environment`" in server.get("/projects/duck").json["problem"]
            server.invoke("missed", "run", "--select", "spy")
            assert "name WAREHOUSE in `dbt.environment`" in server.ended("missed")["exc_message"]
    settings["dbt"] = {"environment": ["WAREHOUSE"], **({} if run_as is None else {"run_as": run_as})}
    with serving(everybody_s / "home", settings, **variables) as server:
        server.token = TOKENS["admin"]
        server.ready()
        project = server.get("/projects/duck").json
        assert project["problem"] is None, project
        server.invoke("own", "run", "--select", "duck.spy,resource_type:model")
        run = server.ended("own")
        assert (run["state"], run["start"]) == ("SUCCESS", "parse"), run
        ((_, content, seen),) = duckdb_rows(warehouse)
        assert seen == "nothing"
        assert "WAREHOUSE=" in content
        assert SECRET not in content
        pids = [server.process.pid, *children(server.process.pid)]
        assert len(pids) > 1
        server.invoke("spy", "run", "--select", "fqn:duck.spy,package:duck", "--vars", json.dumps({"pids": pids}))
        run = server.ended("spy")
        if run["state"] == "SUCCESS":
            assert os.geteuid() == 0
            assert run_as is None
            found = duckdb_rows(warehouse)
            assert len(found) == len(pids)
            assert SECRET not in str(found)
        else:
            # Not even its own processes' may be read by another user, and the server's by nobody.
            assert "ermission denied" in run["exc_message"] or "annot open" in run["exc_message"], run


def duckdb_rows(path: Path) -> list[tuple[Any, ...]]:
    import duckdb

    with duckdb.connect(path, read_only=True) as database:
        return list(database.execute("select filename, content, seen from spy").fetchall())


def _reaches(name: str, program: Path) -> bool:
    user = dbt_user(name).other
    assert user is not None
    try:
        subprocess.run([program, "-c", ""], check=True, user=user.user, group=user.group, extra_groups=user.groups)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
