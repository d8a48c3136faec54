"""The one line of a DAG file, and the public names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.airflow

#: A project that dbt has parsed, as small as the reader takes it.
MANIFEST = {
    "metadata": {
        "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
        "dbt_version": "1.11.16",
        "project_name": "shop",
        "adapter_type": "duckdb",
    },
    "nodes": {},
    "sources": {},
    "exposures": {},
    "groups": {},
    "disabled": {},
}


def node(name: str, folder: str, *parents: str, **config: object) -> dict[str, object]:
    return {
        "unique_id": f"model.shop.{name}",
        "resource_type": "model",
        "name": name,
        "package_name": "shop",
        "path": f"{folder}/{name}.sql",
        "original_file_path": f"models/{folder}/{name}.sql",
        "fqn": ["shop", folder, name],
        "language": "sql",
        "config": {"enabled": True, "materialized": "table", "meta": config},
        "meta": config,
        "tags": [],
        "depends_on": {"nodes": list(parents), "macros": []},
    }


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "dbt" / "shop"
    (folder / "target").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: shop\n")
    (folder / "profiles.yml").write_text("shop: {target: dev, outputs: {dev: {type: duckdb, path: x}}}\n")
    manifest = dict(MANIFEST)
    manifest["nodes"] = {
        entry["unique_id"]: entry
        for entry in (
            node("orders", "sales"),
            node("report", "finance", "model.shop.orders"),
            node("visits", "web", schedule="@hourly"),
        )
    }
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))
    return folder


ASK = """
import json, sys, runpy
found = runpy.run_path(sys.argv[1])
from airflow.sdk import DAG
print("ANSWER" + json.dumps(sorted(name for name, value in found.items() if isinstance(value, DAG))))
"""


def load(dag_file: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a DAG file as Airflow does, in a process that has no Airflow yet."""
    home = str(dag_file.parent / "airflow_home")
    env = {**os.environ, "AIRFLOW_HOME": home, "PYTHONWARNINGS": "ignore", **environment}
    return subprocess.run(
        [sys.executable, "-c", ASK, str(dag_file)], env=env, cwd="/", capture_output=True, text=True, timeout=120
    )


def dags_of(dag_file: Path, **environment: str) -> list[str]:
    done = load(dag_file, **environment)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.partition("ANSWER")[2]))


def write(folder: Path, arguments: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "shop.py"
    file.write_text(f"from dbt_af_k8s.airflow import dbt_dags; globals().update(dbt_dags({arguments}))\n")
    return file


def test_one_line_makes_the_dags_and_paths_are_relative_to_the_file(shop, tmp_path):
    found = dags_of(write(tmp_path / "dags", "'../dbt/shop'"))
    backfills = ["finance__backfill", "sales__backfill", "web__backfill"]
    assert found == sorted(["finance__daily", "sales__daily", "web__hourly", *backfills, "shop_dbt_run_model"])


def test_a_worker_builds_only_the_dag_that_it_runs(shop, tmp_path):
    file = write(tmp_path / "dags", f"{str(shop)!r}")
    assert dags_of(file, _AIRFLOW_PARSING_CONTEXT_DAG_ID="web__hourly") == ["web__hourly"]
    assert dags_of(file, _AIRFLOW_PARSING_CONTEXT_DAG_ID="of_another_file") == []


def test_all_arguments_reach_the_plan(shop, tmp_path):
    shutil.move(shop / "target" / "manifest.json", tmp_path / "dags_manifest.json")
    (tmp_path / "ours.yml").write_text("dags: {prefix: eu, kinds: []}\n")
    (tmp_path / "profiles").mkdir()
    shutil.move(shop / "profiles.yml", tmp_path / "profiles" / "profiles.yml")
    file = write(
        tmp_path / "dags",
        "'../dbt/shop', config='../ours.yml', manifest='../dags_manifest.json', profiles_dir='../profiles', "
        "target='dev', select='orders visits', exclude=['visits']",
    )
    (found,) = dags_of(file)
    assert found.startswith("eu")
    assert "sales" in found


def test_a_config_made_in_python(shop, tmp_path):
    file = tmp_path / "shop.py"
    file.write_text(
        "from dbt_af_k8s.airflow import dbt_dags\nfrom dbt_af_k8s.config.written import Config\n"
        f"globals().update(dbt_dags({str(shop)!r}, config=Config(select=['orders'], dags={{'kinds': []}})))\n"
    )
    assert dags_of(file) == ["sales__daily"]


def test_trouble_of_the_whole_project_is_one_readable_error_with_everything_in_it(shop, tmp_path):
    (shop / "target" / "manifest.json").write_text("{")
    (shop / "dbt_af_k8s.yml").write_text("schedulez: 3\n")
    done = load(write(tmp_path / "dags", f"{str(shop)!r}"))
    assert done.returncode != 0
    last = done.stderr[done.stderr.index("ProjectError") :]
    assert "manifest.json" in last
    assert "schedules" in last, "the closest key"
    assert last.count("Fix: ") >= 2
    assert "During handling" not in done.stderr


def test_a_manifest_that_is_being_written_costs_no_dag_and_is_told(shop, tmp_path):
    file = write(tmp_path / "dags", f"{str(shop)!r}")
    before = dags_of(file)
    manifest = shop / "target" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:1000])
    done = load(file)
    assert json.loads(done.stdout.partition("ANSWER")[2]) == before
    assert "The manifest cannot be read since" in done.stdout + done.stderr
    assert "the DAGs go on with the plan made at" in done.stdout + done.stderr


def test_every_argument_of_a_wrong_type_is_told(tmp_path):
    done = load(write(tmp_path / "dags", "5, config={'strict': True}, target=3, select=['a', 1], exclude='b'"))
    assert done.returncode != 0
    last = done.stderr[done.stderr.index("UsageError") :]
    for told in ("project_dir must be a path", "Config.model_validate", "target must be text", "select must be text"):
        assert told in last
    assert "exclude" not in last


def test_a_selection_of_nothing_stops_the_dag_file(shop, tmp_path):
    done = load(write(tmp_path / "dags", f"{str(shop)!r}, select='nothing'"))
    assert done.returncode != 0
    assert "ANSWER" not in done.stdout
    last = done.stderr[done.stderr.rindex("Error") :]
    assert "nothing" in last


def test_a_cheap_import_and_the_public_names():
    code = (
        "import sys, dbt_af_k8s.airflow as ours\n"
        "assert 'airflow' not in sys.modules and 'pydantic' not in sys.modules\n"
        "assert dir(ours) == sorted(ours.__all__)\n"
        "assert {'DbtOperator', 'DbtWaitSensor', 'DbtRefreshOperator', 'dbt_dags'} < set(dir(ours))\n"
        "light = [name for name in dir(ours) if name != 'DbtPodOperator']\n"
        "assert [getattr(ours, name).__name__ for name in light] == light\n"
        "from airflow.sdk import BaseOperator\n"
        "assert issubclass(ours.DbtOperator, BaseOperator)\n"
        "assert not {'kubernetes.client', 'airflow.providers.cncf.kubernetes.operators.pod'} & set(sys.modules)\n"
        "assert [getattr(ours, name).__name__ for name in dir(ours)] == dir(ours)\n"
    )
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=env, timeout=120)


def test_a_name_that_is_not_there():
    import dbt_af_k8s.airflow as ours

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ours.no_such_name


def test_the_operator_in_a_hand_written_dag(tmp_path):
    from airflow.sdk import DAG

    from dbt_af_k8s.airflow import DbtOperator
    from dbt_af_k8s.errors import UsageError

    with DAG("by_hand", schedule=None):
        task = DbtOperator.for_nodes(
            task_id="orders",
            project_dir=tmp_path,
            nodes="model.shop.orders",
            target="prod",
            env={"B": "2", "A": "1"},
            retries=3,
        )
        tests = DbtOperator.for_nodes(
            task_id="tests", project_dir=tmp_path, verb="test", nodes=["test.shop.a.0123456789", "test.shop.b"]
        )
        task >> tests
    assert task.dag.dag_id == "by_hand"
    assert task.retries == 3
    assert task.command == "dbt run model.shop.orders on target prod"
    assert task.invocation.env == (("A", "1"), ("B", "2"))
    assert tests.upstream_task_ids == {"orders"}
    with pytest.raises(UsageError, match="no unique_id"):
        DbtOperator.for_nodes(task_id="x", project_dir=tmp_path, nodes="orders")


def test_callbacks_made_in_python_reach_the_operators(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dbt_af_k8s.airflow import dbt_dags
    from dbt_af_k8s.config.written import Config

    def tell(context: object) -> None:
        """What a DAG file would define beside its one line."""

    monkeypatch.chdir(shop)
    config = Config.model_validate({"callbacks": {"run": {"on_failure": tell}, "dag": {"on_failure": [tell]}}})
    dags = dbt_dags(shop, config=config)
    assert dags["sales__daily"].get_task("orders").on_failure_callback == [tell]
    assert dags["sales__daily"].on_failure_callback == [tell]
