"""`dbt-af-k8s run`, through real Airflow and real dbt on DuckDB."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import psutil
import pytest
from shop_on_disk import Shop, run

#: Waits for a lock, and says that it does.
SLOW = """
import fcntl, pathlib

def model(dbt, session):
    dbt.config(materialized="table")
    pathlib.Path("slow_waits").touch()
    with open("slow_lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    return session.sql("select 1 as id")
"""
PROJECT = {
    "dbt_project.yml": """
name: shop
version: "1.0"
profile: shop
models: {shop: {+materialized: table}}
""",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "seeds/sales/orders.csv": "order_id,amount\n1,10\n2,20\n",
    "models/finance/revenue.sql": """
select sum(amount) as revenue, '{{ var("start_dttm") }}' as began, '{{ var("end_dttm") }}' as ended
from {{ ref("orders") }}
""",
    "models/broken/bad.sql": "select * from {{ ref('revenue') }} where no_such_column = 1\n",
    "models/broken/after_bad.sql": "select * from {{ ref('bad') }}\n",
    "dbt_af_k8s.yml": "granularity: fused\n",
    "models/staging/stg_one.sql": "select 1 as id\n",
    "models/marts/mart_one.sql": "select id + 1 as id from {{ ref('stg_one') }}\n",
    "models/staging/stg_two.sql": "select id + 1 as id from {{ ref('mart_one') }}\n",
    "models/marts/mart_two.sql": "select id + 1 as id from {{ ref('stg_two') }}\n",
    "models/slow/wait.py": SLOW,
    "models/slow/after.sql": "select * from {{ ref('wait') }}\n",
    "models/cheap/one.sql": "{{ config(materialized='view') }} select 1 as id\n",
    "models/cheap/two.sql": "{{ config(materialized='view') }} select * from {{ ref('one') }}\n",
    "models/cheap/three.sql": "{{ config(materialized='view') }} select no_such_column from {{ ref('two') }}\n",
    "tests/one_is_there.sql": "select * from {{ ref('one') }} where id is null\n",
}


@pytest.fixture(scope="module")
def project(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parsed dbt project of four daily domains, two of which cannot be built. Only one has anything to fuse."""
    root = tmp_path_factory.mktemp("run") / "shop"
    for name, text in PROJECT.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    vars_of_parsing = '{"start_dttm": "", "end_dttm": ""}'
    argv = [programs / "dbt", "parse", "--quiet", "--profiles-dir", ".", "--vars", vars_of_parsing]
    subprocess.run(argv, cwd=root, check=True)
    return root


@pytest.mark.airflow
@pytest.mark.dbt
@pytest.mark.slow
def test_upstream_runs_first_and_nobody_elses_airflow_is_touched(
    project: Path, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/own/airflow.db")
    where = ("--project-dir", str(project))
    result = run("run", "finance__daily", "--date", "2026-01-12", "--with-upstream", "--format", "json", *where)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["succeeded"]
    assert [(step["dag_id"], step["state"]) for step in answer["runs"]] == [
        ("sales__daily", "success"),
        ("finance__daily", "success"),
    ]
    states = {task["task_id"]: task["state"] for step in answer["runs"] for task in step["tasks"]}
    assert states == {"orders": "success", "revenue": "success", "wait__orders": "passed-over"}
    assert not (tmp_path / "own").exists()
    with duckdb.connect(str(project / "shop.duckdb"), read_only=True) as connection:
        assert connection.execute("select revenue, began, ended from revenue").fetchall() == [
            (30, "2026-01-11T00:00:00+00:00", "2026-01-12T00:00:00+00:00")
        ]


@pytest.mark.airflow
@pytest.mark.dbt
@pytest.mark.slow
def test_a_task_that_fails_is_shown_with_its_reason(
    project: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    result = run("run", "broken__daily", "--date", "2026-01-12", "--project-dir", str(project))
    assert result.exit_code == 1
    assert "✗" in result.stdout
    assert "no_such_column" in result.stdout
    assert "after_bad  not run: a task before it failed" in result.stdout
    assert "Not waited for: finance__daily.revenue" in result.stdout
    assert "Traceback" not in result.output


@pytest.mark.airflow
@pytest.mark.dbt
@pytest.mark.slow
def test_of_a_task_of_several_nodes_the_verdict_of_each_is_shown(
    project: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    result = run("run", "cheap__daily", "--date", "2026-01-12", "--project-dir", str(project))
    assert result.exit_code == 1
    assert "1 task failed" in result.stdout
    told = {words[1]: words[2] for words in map(str.split, result.stdout.splitlines()) if len(words) > 4}
    assert {name: told.get(name) for name in ("model.shop.one", "model.shop.two", "test.shop.one_is_there")} == {
        "model.shop.one": "success",
        "model.shop.two": "success",
        "test.shop.one_is_there": "pass",
    }
    assert told["model.shop.three"] == "error"
    assert "no_such_column" in result.stdout


@pytest.mark.airflow
@pytest.mark.dbt
@pytest.mark.slow
def test_ctrl_c_stops_dbt_and_all_that_would_follow(project: Path) -> None:
    log = project / "target" / "dbt_af_k8s" / "airflow" / "run.log"
    log.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "dbt_af_k8s", "run", "broken__daily", "--project-dir", str(project)]
    program = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with program:
        deadline = time.monotonic() + 120
        while not (log.exists() and "dbt run model.shop.bad" in log.read_text()):
            assert time.monotonic() < deadline
            assert program.poll() is None
            time.sleep(0.2)
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert err == "Stopped.\n"
    assert "after_bad" not in out
    assert [line for line in map(_command_line, psutil.process_iter()) if str(project) in line] == []


@pytest.mark.airflow
@pytest.mark.dbt
@pytest.mark.slow
def test_domains_that_read_each_other_take_turns(
    project: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    where = ("--project-dir", str(project), "--format", "json")
    result = run("run", "marts__daily", "--date", "2026-01-12", "--with-upstream", *where)
    assert result.exit_code == 0, result.output
    runs = json.loads(result.stdout)["runs"]
    assert {step["dag_id"]: step["passed_over"] for step in runs} == {"staging__daily": [], "marts__daily": []}
    with duckdb.connect(str(project / "shop.duckdb"), read_only=True) as connection:
        assert connection.execute("select id from mart_two").fetchall() == [(4,)]


#: What the reader of the output does: it closes its end, or leaves the pipe full and reads nothing.
@pytest.mark.airflow
@pytest.mark.dbt
@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "number"),
    [("gone", signal.SIGTERM), ("asleep", signal.SIGTERM), ("asleep", signal.SIGHUP), ("gone", signal.SIGKILL)],
)
def test_it_stops_though_nobody_reads(project: Path, reader: str, number: signal.Signals) -> None:
    waits = project / "slow_waits"
    waits.unlink(missing_ok=True)
    reading, writing = os.pipe()
    with (project / "slow_lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        argv = [sys.executable, "-m", "dbt_af_k8s", "run", "slow__daily", "--project-dir", str(project)]
        program = subprocess.Popen(argv, start_new_session=True, stdout=writing, stderr=writing, cwd=project)
        deadline = time.monotonic() + 200
        while not waits.exists():
            assert time.monotonic() < deadline
            assert program.poll() is None
            time.sleep(0.1)
        if reader == "gone":
            os.close(reading)
        else:
            _fill(writing)
        os.close(writing)
        program.send_signal(number)
        assert program.wait(40) == (-number if number == signal.SIGKILL else 128 + number)
        deadline = time.monotonic() + 30
        while left := [line for line in map(_command_line, psutil.process_iter()) if str(project) in line]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    if reader != "gone":
        os.close(reading)
    with duckdb.connect(str(project / "shop.duckdb"), read_only=True) as connection:
        tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    assert not tables & {"wait", "after"}


def _fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x")
    os.set_blocking(pipe, True)


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("sales__dayly",), "Did you mean `sales__daily`"),
        (("sales__daily", "--date", "soon"), "--date is no date that can be read: 'soon'"),
        (("sales__daily", "--date", "9999-12-31T23:59:59-23:00"), "--date is no date that can be read"),
    ],
)
def test_usage(shop: Shop, argv: tuple[str, ...], message: str) -> None:
    result = shop.run("run", *argv)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())
