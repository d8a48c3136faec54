"""Real dbt on DuckDB: one process per task, judged by what dbt wrote."""

import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import UsageError

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

#: The program as users have it, for what depends on its processes; else one that is quick to start.
DBT = str(Path(sys.executable).with_name("dbt"))
START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 3, 2, tzinfo=UTC)

FILES = {
    "models/ok.sql": "select 1 as id, '{{ var(\"start_dttm\") }}' as s, '{{ var(\"end_dttm\") }}' as e",
    "models/printed.sql": "select $${{ var('said', '') }}$$ as said, $${{ var('deep', [''])[0] }}$$ as deep",
    "models/undefined.sql": "select {{ no_such_macro() }} as id",
    "models/syntax.sql": "selec 1 as id",
    "models/no_table.sql": "select * from nowhere",
    "models/empty.sql": "",
    "models/endless.sql": "select max(range % 7) as n from range(100000000000000) where range >= 0",
    "models/events.sql": "{{ config(event_time='ts') }} select timestamp '2026-03-01 05:00' as ts, 1 as id "
    "union all select timestamp '2026-03-02 05:00', 2",
    "models/batches.sql": "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='ts', "
    "batch_size='day', begin='2026-01-01') }} select ts, {{ 'error(42)' if var('boom', false) else 'id' }} as id "
    "from {{ ref('events') }}",
    "models/schema.yml": """
models:
  - name: ok
    columns:
      - name: id
        data_tests:
          - not_null
          - unique
          - accepted_values: {name: fails, arguments: {values: [2]}}
          - accepted_values: {name: warns, arguments: {values: [2]}, config: {severity: warn}}
          - accepted_values: {name: breaks, arguments: {values: [2]}, config: {where: "no_column = 1"}}
""",
    "seeds/raw.csv": "id,name\n1,Køln\n2,b\n3,c\n",
    "snapshots/snap.yml": "snapshots: [{name: snap, relation: ref('raw'), "
    "config: {strategy: check, check_cols: all, unique_key: id}}]",
}


class Shop:
    def __init__(self, project, nodes) -> None:
        self.project = project
        self.nodes = nodes

    def named(self, *names: str):
        return tuple(node for node in self.nodes.values() if node.fqn[-1] in names)

    def prepare(self, verb, *names, target=None, env=(), executable=None, project=None):
        dbt = executable or str(self.project.dbt)
        batches = Microbatch("day") if "batches" in names else None
        invocation = DbtInvocation(verb, self.named(*names), target, microbatch=batches, executable=dbt, env=env)
        return DbtRun.here(invocation, project or self.project.value, environment=self.project.environment)

    def run(self, verb, *names, variables=None, timeout=120, lines=None, **options):
        sink = [] if lines is None else lines
        return self.prepare(verb, *names, **options).run(
            start=START, end=END, on_line=sink.append, variables=variables, timeout=timeout
        )

    def rows(self, table):
        with duckdb.connect(str(self.project.folder / "shop.duckdb"), read_only=True) as connection:
            return connection.execute(f"select * from {table} order by 1").fetchall()


@pytest.fixture(scope="module")
def shop(make_project, selections_of):
    project = make_project(FILES)
    return Shop(project, selections_of(project.parse()))


@pytest.fixture(scope="module")
def built(shop, tmp_path_factory):
    """The model `ok`, built: the verdict, dbt's lines, and the files that came besides."""
    temporary = tmp_path_factory.mktemp("temporary")

    def files() -> set[Path]:
        return {*temporary.iterdir(), *(shop.project.folder / "target").rglob("*")}

    before, lines = files(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        found = shop.run("run", "ok", lines=lines)
    return found, lines, files() - before


def test_a_model_is_built_for_its_interval_and_nothing_private_stays(shop, built):
    found, lines, left = built
    assert (found.ok, found.summary) == (True, "model.shop.ok: success OK")
    assert shop.rows("ok") == [(1, "2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00")]
    assert any("OK created sql table model main.ok" in line.message for line in lines)
    assert left == set()


def test_seed_and_snapshot(shop):
    seed = shop.run("seed", "raw")
    assert (seed.ok, seed.results[0].rows) == (True, 3)
    assert shop.run("snapshot", "snap").ok
    assert len(shop.rows("snap")) == 3


def test_vars_are_data_that_arrives_as_it_is_and_jinja_never_reaches_dbt(shop):
    said = "{ a } % } #} %} }} 'x' $1 \\n Kø\U0001f600 {"
    assert shop.run("run", "printed", variables={"said": said, "deep": [said]}).ok
    assert shop.rows("printed") == [(said, said)]
    with pytest.raises(UsageError, match=r"vars has Jinja \(`\{\{`\) in `said`: dbt would run it"):
        shop.run("run", "printed", variables={"said": "{{ env_var('PATH') }}"})
    with pytest.raises(UsageError, match=r"in `deep\[0\]`"):
        shop.run("run", "printed", variables={"deep": ["{{ run_query('select 1') }}"]})
    assert shop.rows("printed") == [(said, said)]


@pytest.mark.usefixtures("built")
def test_tests_of_a_model_in_one_process(shop):
    good = shop.run("test", "unique_ok_id", "not_null_ok_id", "warns")
    assert (good.ok, good.summary) == (True, "3 nodes: 2 pass, 1 warn")
    bad = shop.run("test", "unique_ok_id", "fails", "warns")
    assert (bad.ok, bad.retryable) == (False, False)
    assert bad.summary.startswith("node test.shop.fails.")
    assert [result.status for result in sorted(bad.results, key=lambda row: row.unique_id)] == ["fail", "pass", "warn"]
    broken = shop.run("test", "breaks")
    assert (broken.ok, broken.retryable) == (False, False)


@pytest.mark.parametrize(
    ("name", "retryable", "told"),
    [
        ("undefined", False, "'no_such_macro' is undefined"),
        ("syntax", False, "syntax error"),
        ("no_table", True, "nowhere does not exist"),
        ("empty", True, "has no result for model.shop.empty"),
    ],
)
def test_what_fails_says_why_and_whether_to_try_again(shop, name, retryable, told):
    found = shop.run("run", name)
    assert (found.ok, found.retryable) == (False, retryable)
    assert told in found.summary


@pytest.mark.parametrize(
    ("target", "retryable", "told"),
    [
        ("unset", False, "Env var required but not provided: 'SHOP_NOT_SET_ANYWHERE'"),
        ("unreachable", True, "Connection refused"),
        ("prod", False, "does not have a target named 'prod'"),
    ],
)
def test_trouble_before_the_first_node(shop, target, retryable, told):
    found = shop.run("run", "ok", target=target)
    assert (found.ok, found.retryable) == (False, retryable)
    assert told in found.summary


def test_the_invocations_environment_reaches_dbt(shop):
    assert shop.run("run", "ok", target="unset", env=(("SHOP_NOT_SET_ANYWHERE", "shop.duckdb"),)).ok


def test_a_failing_project_hook_fails_the_task(shop):
    found = shop.run("run", "ok", variables={"hook": "fails"})
    assert (found.ok, found.retryable) == (False, True)
    assert "hook operation.shop.shop-on-run-end-0: error" in found.summary


def test_arguments_that_dbt_refuses_are_told_and_not_tried_again(shop, tmp_path):
    found = shop.run("run", "ok", project=DbtProject(shop.project.folder, tmp_path / "no_profiles"))
    assert (found.ok, found.retryable) == (False, False)
    assert "--profiles-dir" in found.summary


def test_a_microbatch_model_runs_the_batches_of_the_interval(shop):
    assert shop.run("run", "events").ok
    assert shop.run("run", "batches").ok
    assert [row[1] for row in shop.rows("batches")] == [1]
    failed = shop.run("run", "batches", variables={"boom": True})
    assert (failed.ok, failed.retryable) == (False, True)
    assert "Binder Error" in failed.summary, "dbt's row says only ERROR"


def test_a_dbt_that_is_not_installed_is_told(shop):
    with pytest.raises(UsageError, match="cannot be started"):
        shop.run("run", "ok", executable="/no/such/dbt")


def test_the_time_limit_stops_a_query(shop):
    found = shop.run("run", "endless", timeout=8, executable=DBT)
    assert (found.ok, found.retryable) == (False, True)
    assert found.summary.startswith("dbt was stopped: it ran into the time limit.")


def test_stop_ends_a_query_in_time_and_the_next_run_finds_the_database_free(shop):
    run = shop.prepare("run", "endless", executable=DBT)
    running = threading.Event()

    def on_line(line) -> None:
        if "START sql table model" in line.message:
            running.set()

    def stop() -> None:
        assert running.wait(60)
        time.sleep(0.5)
        run.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    found = run.run(start=START, end=END, on_line=on_line)
    stopper.join()
    assert running.is_set()
    assert not found.ok
    assert found.summary.startswith("dbt was stopped from outside.")
    assert shop.run("seed", "raw").ok


def test_tasks_in_parallel_do_not_meet(make_project):
    """Databases in memory, since DuckDB lets one process write a file; the project folder is shared."""
    project = make_project(
        {
            "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n",
            **{f"models/m{number}.sql": f"select {number} as id" for number in range(4)},
        }
    )
    found = {}

    def work(number: int) -> None:
        invocation = DbtInvocation("run", (node_by_id(f"model.shop.m{number}"),))
        run = DbtRun.here(invocation, project.value, environment=project.environment)
        found[number] = run.run(start=START, end=END, on_line=lambda line: None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number].summary for number in range(4)] == [
        f"model.shop.m{number}: success OK" for number in range(4)
    ]
    assert sorted(path.name for path in project.folder.iterdir()) == ["dbt_project.yml", "models", "profiles.yml"]
