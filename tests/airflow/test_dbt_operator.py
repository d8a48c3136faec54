"""The dbt operator under real Airflow (`dag.test`) and real dbt on DuckDB."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dag_test_lab import asked, read

from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels: {+materialized: table}\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n"
    "    secret: {type: duckdb, path: \"{{ env_var('SHOP_PATH_THAT_IS_NOT_SET') }}\"}\n",
    "seeds/raw.csv": "id\n1\n2\n",
    "models/orders.sql": "select id, '{{ var(\"start_dttm\") }}' as s, '{{ var(\"end_dttm\") }}' as e "
    "from {{ ref('raw') }}",
    "models/talkative.sql": "{% for i in range(2000) %}{% do log('Zeile ' ~ i ~ ' ü😀' ~ 'x' * 200, info=true) %}"
    "{% endfor %}{% do log('first\\nsecond', info=true) %}select 1 as id",
    "models/broken.sql": "select {{ no_such_macro() }}",
    "models/flaky.sql": "select * from not_there_yet",
    "models/endless.sql": "select max(range % 7) as n from range(100000000000000) where range >= 0",
    "models/schema.yml": """
models:
  - name: orders
    columns:
      - name: id
        data_tests:
          - not_null: {name: id_is_there}
          - accepted_values: {name: warns, arguments: {values: [1]}, config: {severity: warn}}
          - accepted_values: {name: fails, arguments: {values: [1]}}
""",
}
DAY = datetime(2026, 3, 1, tzinfo=UTC)
LATE = datetime(2030, 1, 1, tzinfo=UTC)
RETRY_ONCE = RetrySettings(retries=1, delay=0, exponential_backoff=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "shop"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def task(verb: str, name: str, *upstream: str, nodes: tuple[str, ...] = (), **more: Any) -> TaskPlan:
    kind = {"run": "model", "seed": "seed"}.get(verb, "test")
    unique_ids = nodes or (f"{kind}.shop.{name}",)
    target = more.pop("target", None)
    return TaskPlan(
        name,
        TaskKind(verb),
        nodes=unique_ids,
        upstream=upstream,
        runner="local",
        target=target,
        retry=more.pop("retry", RETRY_ONCE),
        dbt=DbtInvocation(verb, tuple(node_by_id(unique_id) for unique_id in unique_ids), target),
        **more,
    )


def dag(dag_id: str, *tasks: TaskPlan, schedule: str | None = "0 0 * * *") -> DagPlan:
    return DagPlan(dag_id, DagKind.SCHEDULED, "shop", schedule, "@daily", "UTC", DAY, tasks=tasks)


@pytest.fixture(scope="module")
def test_ids(programs, shop) -> dict[str, str]:
    """unique_ids of the generic tests, which end in dbt's own hash."""
    subprocess.run(
        [programs / "dbt", "--quiet", "parse", "--no-send-anonymous-usage-stats"], cwd=shop, check=True, timeout=300
    )
    nodes = json.loads((shop / "target" / "manifest.json").read_bytes())["nodes"]
    return {node["name"]: unique_id for unique_id, node in nodes.items() if node["resource_type"] == "test"}


@pytest.fixture(scope="module")
def answer(dag_test_lab, shop, test_ids, tmp_path_factory):
    """One DAG with every way that a task can end, run for one day; and a manual one."""
    good_tests = tuple(sorted(test_ids[name] for name in ("id_is_there", "warns")))
    daily = dag(
        "shop__daily",
        task("seed", "raw"),
        task("run", "orders", "raw"),
        task("test", "orders__tests", "orders", nodes=good_tests),
        task("test", "fails", "orders__tests", nodes=(test_ids["fails"],)),
        task("run", "after_a_failure", "fails", nodes=("model.shop.talkative",)),
        task("run", "not_enabled_yet", "raw", nodes=("model.shop.orders",), enable_from=LATE),
        task("run", "no_more_enabled", "raw", nodes=("model.shop.orders",), disable_from=DAY),
        task("run", "talkative", "not_enabled_yet", "no_more_enabled"),
        task("run", "broken"),
        task("run", "flaky"),
        task("run", "unset", nodes=("model.shop.talkative",), target="secret"),
        task("run", "not_in_the_project", retry=RetrySettings(retries=0)),
    )
    # Two DAGs, since `dag.test` keeps the form of one run for the next one of the same DAG in the same process.
    manual = dag("shop__manual", task("run", "orders"), schedule=None)
    half = dag("shop__half", task("run", "orders"), schedule=None)
    runs = [
        {"dag_id": "shop__daily", "logical_date": "2026-03-02T05:00:00+00:00"},
        {
            "dag_id": "shop__manual",
            "conf": {"start_dttm": "2026-01-01", "end_dttm": "2026-01-31T12:00:00+01:00"},
        },
        {"dag_id": "shop__half", "conf": {"start_dttm": "2026-01-01"}},
    ]
    folder = tmp_path_factory.mktemp("dags") / "dags"
    return dag_test_lab.run(folder, shop, (daily, manual, half), runs)


def test_every_task_ends_as_dbts_results_say(answer):
    assert answer.states() == {
        "raw": "success",
        "orders": "success",
        "orders__tests": "success",
        "fails": "failed",
        "after_a_failure": "upstream_failed",
        "not_enabled_yet": "skipped",
        "no_more_enabled": "skipped",
        "talkative": "success",
        "broken": "failed",
        "flaky": "failed",
        "unset": "failed",
        "not_in_the_project": "failed",
    }


@pytest.mark.parametrize(("task_id", "tries"), [("fails", 1), ("broken", 1), ("unset", 1), ("flaky", 2)])
def test_only_what_may_pass_is_tried_again(answer, task_id, tries):
    assert answer.task(task_id)["tries"] == tries


def test_the_result_is_short_and_says_what_happened(answer):
    seed = answer.task("raw")["result"]
    assert {name: seed[name] for name in ("status", "rows", "message")} == {
        "status": "success",
        "rows": 2,
        "message": "seed.shop.raw: success INSERT 2",
    }
    assert seed["seconds"] > 0
    tests = answer.task("orders__tests")["result"]
    assert tests["status"] == "warn"
    assert tests["message"] == "2 nodes: 1 pass, 1 warn"
    assert sorted((node["status"], node["failures"]) for node in tests["nodes"]) == [("pass", 0), ("warn", 1)]


def test_the_interval_of_a_run_by_hand_is_the_last_full_one_before_its_date_or_that_of_its_form(answer, shop):
    assert "from 2026-03-01T00:00:00+00:00 to 2026-03-02T00:00:00+00:00" in answer.log
    with duckdb.connect(str(shop / "shop.duckdb"), read_only=True) as connection:
        last = connection.execute("select distinct s, e from orders").fetchall()
    assert last == [("2026-01-01T00:00:00+00:00", "2026-01-31T11:00:00+00:00")]


def test_half_a_form_fails_with_a_sentence(answer):
    assert answer.states(1) == {"orders": "success"}
    assert answer.states(2) == {"orders": "failed"}
    assert "start_dttm is given and end_dttm is not" in answer.log


def test_reasons_stand_in_the_log(answer):
    for reason in (
        "Skipped: the interval ends at 2026-03-02T00:00:00+00:00, before enable_from_dttm 2030-01-01",
        "Skipped: the interval begins at 2026-03-01T00:00:00+00:00, after disable_from_dttm 2026-03-01",
        "'no_such_macro' is undefined",
        "Env var required but not provided: 'SHOP_PATH_THAT_IS_NOT_SET'",
        "has no result for model.shop.not_in_the_project",
        "Got 1 result, configured to fail if != 0",
    ):
        assert reason in answer.log


def test_a_flood_of_unicode_arrives_line_by_line(answer):
    assert answer.log.count("Zeile 1999 ü😀") >= 1
    assert sum(f"Zeile {number} ü😀" in answer.log for number in range(2000)) == 2000
    assert "first\\nsecond" not in answer.log


def children(pid: int) -> Iterator[int]:
    """All descendants of a process, from /proc."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found = int(stat.parent.name)
            yield found
            yield from children(found)


def test_a_task_that_is_told_to_end_leaves_no_process(dag_test_lab, shop, tmp_path):
    """Airflow tells a task to end by SIGTERM to its process, whose handler calls `on_kill`."""
    plan = dag("shop__endless", task("run", "endless", retry=RetrySettings(retries=0)))
    lines: list[str] = []
    running = threading.Event()
    child = dag_test_lab.cold().start(tmp_path / "dags", shop, (plan,))

    def listen() -> None:
        for line in child.stdout:
            lines.append(line)
            if "START sql table model main.endless" in line:
                running.set()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        child.stdin.write(asked([{"dag_id": "shop__endless"}]))
        child.stdin.close()
        assert running.wait(240), "".join(lines)
        dbt = [pid for pid in children(child.pid) if b"endles[s]" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert dbt
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        listener.join(60)
        assert time.monotonic() - began < 40
    finally:
        child.kill()
        child.wait()
        listener.join()
        child.stdout.close()
    assert read("".join(lines)).states() == {"endless": "failed"}
    assert not [pid for pid in dbt if Path(f"/proc/{pid}").exists()]
