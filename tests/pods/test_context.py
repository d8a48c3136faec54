"""`PodContext` as one copied file, and under its name in a pod."""

import ast
import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbt_af_k8s.pods import context
from dbt_af_k8s.pods.context import PodContext
from dbt_af_k8s.pods.payload import BOOTSTRAP, SCRIPT, packed_script, planned_env, run_env
from dbt_af_k8s.pods.values import Payload, PodRun

SOURCE = Path(context.__file__)


def test_it_reads_what_the_pod_is_told(payload: Payload, run: PodRun) -> None:
    made = PodContext.from_env(dict((*planned_env(payload), *run_env(run))))
    assert made == PodContext(
        run.start, run.end, dict(payload.refs), payload.this, dict(payload.config), dict(run.conf)
    )


def test_outside_of_a_pod_everything_is_empty() -> None:
    assert PodContext.from_env({}) == PodContext()


@pytest.mark.parametrize("text", ["2026-03-01T00:00:00Z", "2026-03-01T00:00:00+00:00", "2026-03-01T01:00:00+01:00"])
def test_times_are_aware(text: str) -> None:
    assert PodContext.from_env({"START_DTTM": text}).start == datetime(2026, 3, 1, tzinfo=UTC)


def test_refs_and_sources_are_found_by_name(payload: Payload) -> None:
    made = PodContext(refs=dict(payload.refs))
    assert made.ref("orders") == '"shop"."main"."orders"'
    assert made.source("raw", "clicks") == '"shop"."raw"."clicks"'
    with pytest.raises(KeyError, match=r"no ref or source 'order' in its dbt code\. It has: orders, raw.clicks"):
        made.ref("order")


def test_a_result_is_written_whole_where_somebody_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "xcom" / "return.json"
    made = PodContext.from_env({"DBT_AF_RESULT_FILE": str(file)})
    assert made.write_result({"rows": 1})
    assert made.write_result({"rows": 2})
    assert json.loads(file.read_text()) == {"rows": 2}
    with pytest.raises(TypeError):
        made.write_result({"rows": object()})
    assert json.loads(file.read_text()) == {"rows": 2}
    assert [each.name for each in file.parent.iterdir()] == ["return.json"]


def test_a_result_that_nobody_reads_goes_nowhere() -> None:
    assert not PodContext().write_result({"rows": 1})


def test_it_runs_alone_as_one_copied_file(tmp_path: Path) -> None:
    (tmp_path / "pod.py").write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    code = "from pod import PodContext; print(PodContext.from_env().dag_run_conf)"
    argv = [sys.executable, "-I", "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {code}"]
    done = subprocess.run(argv, env={"DAG_RUN_CONF": '{"a": 1}'}, capture_output=True, text=True, check=True)
    assert done.stdout == "{'a': 1}\n"


def test_a_script_in_a_pod_finds_it_under_its_name(tmp_path: Path, payload: Payload, run: PodRun) -> None:
    source = (
        "from dbt_af_k8s_pod import PodContext\n"
        "pod = PodContext.from_env()\n"
        "print(pod.ref('orders'), pod.config['meta']['owner'].encode(), pod.end - pod.start)\n"
        "print(pod.write_result([pod.this]))\n"
    )
    file = tmp_path / "return.json"
    script = Payload(payload.node, payload.name, payload.file, source, payload.config, payload.refs, payload.this)
    env = dict((*planned_env(script), *run_env(run))) | {SCRIPT: packed_script(script), "DBT_AF_RESULT_FILE": str(file)}
    done = subprocess.run([sys.executable, "-c", BOOTSTRAP], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == '"shop"."main"."orders" b\'Zo\\xc3\\xab\' 1 day, 0:00:00\nTrue\n'
    assert json.loads(file.read_text()) == ['"shop"."main"."export"']


def test_it_is_python_3_8_and_imports_the_standard_library_only() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert base64.__name__ in imported
