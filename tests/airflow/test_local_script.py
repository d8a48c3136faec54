"""Scripts as processes of the worker: a pod's script without a pod, and scripts in a venv."""

import logging
import os
import sys
import threading
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dbt_af_k8s.airflow.scripts.local import DbtLocalScriptOperator
from dbt_af_k8s.airflow.scripts.run import ScriptCalendar, ScriptFailedError, ScriptRetryError
from dbt_af_k8s.airflow.scripts.venv import DbtVenvOperator
from dbt_af_k8s.airflow.scripts.venv_cache import (
    VenvMaker,
    cache_folder,
    commands,
    index_variables,
    secrets_of,
    venv_key,
)
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.plan.scripts import PodPlan, VenvPlan
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, VenvTarget

pytestmark = pytest.mark.airflow

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
TELL = """
from dbt_af_k8s_pod import PodContext
import os
pod = PodContext.from_env()
print("said by the script")
pod.write_result({"start": pod.start.isoformat(), "conf": pod.dag_run_conf, "orders": pod.ref("orders"),
                  "own": os.environ.get("OWN"), "worker": os.environ.get("OF_THE_WORKER")})
"""


def payload(source: str) -> Payload:
    return Payload("model.shop.export", "export", "models/export.py", source, {}, (("orders", "db.orders"),))


def local(source: str, calendar: ScriptCalendar | None = None, **target: Any) -> DbtLocalScriptOperator:
    pod = PodPlan(KubernetesTarget("k8s", "shop/etl:1", **target), payload(source))
    return DbtLocalScriptOperator(task_id="t", pod=pod, calendar=calendar or ScriptCalendar())


def context(**conf: Any) -> dict[str, Any]:
    run = SimpleNamespace(run_type="scheduled", data_interval_start=START, data_interval_end=END, conf=conf)
    return {"dag_run": run, "ti": SimpleNamespace(), "params": {}}


def test_it_gets_what_the_pod_would_get(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OF_THE_WORKER", "yes")
    result = local(TELL, env=({"name": "OWN", "value": "$(START_DTTM)"},)).execute(context(full=True))
    start = "2026-03-01T00:00:00+00:00"
    assert result == {"start": start, "conf": {"full": True}, "orders": "db.orders", "own": start, "worker": "yes"}
    log = capsys.readouterr().out
    assert "no pod is made" in log
    assert "said by the script" in log


def test_a_variable_that_only_a_cluster_has_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    env = ({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},)
    local("pass", env=env).execute(context())
    assert "KEY comes from the cluster" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ({}, ScriptFailedError),
        ({"retry_script": True}, ScriptRetryError),
        ({"retry_script": True, "retry_exit_codes": (4,)}, ScriptFailedError),
        ({"retry_script": True, "retry_exit_codes": (3,)}, ScriptRetryError),
    ],
)
def test_exit_codes_have_the_classes_of_a_pod(target: dict[str, Any], wanted: type[Exception]) -> None:
    with pytest.raises(wanted, match="exit code 3"):
        local("raise SystemExit(3)", **target).execute(context())


def test_a_result_that_is_no_json_fails() -> None:
    source = "import os; open(os.environ['DBT_AF_RESULT_FILE'], 'w').write('{')"
    with pytest.raises(ScriptFailedError, match="no JSON"):
        local(source).execute(context())


def test_without_xcom_there_is_no_result() -> None:
    assert local("import os; assert 'DBT_AF_RESULT_FILE' not in os.environ", xcom=False).execute(context()) is None


def test_a_kill_ends_the_script(tmp_path: Path) -> None:
    mark = tmp_path / "began"
    operator = local(f"import time; open({str(mark)!r}, 'w').close(); time.sleep(60)")

    def kill() -> None:
        for _ in range(200):
            if mark.exists():
                break
            threading.Event().wait(0.05)
        operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ScriptRetryError, match="stopped"):
        operator.execute(context())
    killer.join()


def test_a_script_whose_supervisor_is_gone_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbt_af_k8s.airflow.scripts.local.task_ancestors", lambda: ("1:0",))
    operator = local(f"open({str(tmp_path / 'began')!r}, 'w').close()")
    with pytest.raises(ScriptRetryError, match="process above this task is gone"):
        operator.execute(context())
    assert not (tmp_path / "began").exists()


def test_the_field_that_airflow_shows_has_the_interval() -> None:
    operator = local("pass")
    operator.render_template_fields(context())
    assert operator.command.endswith("from 2026-03-01T00:00:00+00:00 to 2026-03-02T00:00:00+00:00")


# The environment itself


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with one package, for an index without a network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tinypack-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinypack.py", "NAME = 'tiny'\n")
        wheel.writestr("tinypack-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypack\nVersion: 1.0\n")
        wheel.writestr("tinypack-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tinypack-1.0.dist-info/RECORD", "")
    return folder


def test_a_venv_is_made_once_and_runs_the_script(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBT_AF_K8S_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OF_THE_WORKER", "yes")
    options = ("--no-index", "--find-links", str(wheels))
    target = VenvTarget("env", ("tinypack",), pip_install_options=options, env=(("OWN", "1"),))
    source = "import tinypack; assert tinypack.NAME == 'tiny'\n" + TELL
    for _ in range(2):
        operator = DbtVenvOperator(task_id="t", venv=VenvPlan(target, payload(source)), calendar=ScriptCalendar())
        result = operator.execute(context())
        assert (result["own"], result["worker"], result["orders"]) == ("1", None, "db.orders")
    log = capsys.readouterr().out
    assert (log.count("Making a Python environment: tinypack"), log.count("is there already")) == (1, 1)


def fake_run(seen: list[Any], code: int = 0) -> Callable[..., ProcessEnd]:
    def run_in(folder: Path, argv: Any, environment: Any, hide: Any) -> ProcessEnd:
        seen.append((argv, dict(environment), hide))
        if "venv" in argv:
            Path(argv[-1]).mkdir()
        return ProcessEnd(code)

    return run_in


LOG = logging.getLogger("test")
INDEXES = ("https://me:${TOKEN}@first/simple", "https://second/simple")


def test_passwords_of_indexes_are_in_no_command_and_hidden_in_the_log(tmp_path: Path) -> None:
    target = VenvTarget("env", ("a",), index_urls=INDEXES)
    environment = {**os.environ, "TOKEN": "s3cret", "DBT_AF_K8S_CACHE_DIR": str(tmp_path)}
    seen: list[Any] = []
    VenvMaker(target, environment, fake_run(seen), LOG).python()
    assert len(seen) == 2
    for argv, given, hide in seen:
        assert "s3cret" not in " ".join(argv)
        assert given["PIP_INDEX_URL"] == "https://me:s3cret@first/simple"
        assert given["PIP_EXTRA_INDEX_URL"] == "https://second/simple"
        assert hide == ("s3cret", "me")


def test_a_token_that_is_missing_is_told_by_name() -> None:
    with pytest.raises(ScriptFailedError, match="TOKEN"):
        index_variables(VenvTarget("env", index_urls=INDEXES), {})
    assert secrets_of(VenvTarget("env"), {}) == ()


def test_what_cannot_be_installed_is_tried_again_from_the_beginning(tmp_path: Path) -> None:
    environment = {**os.environ, "DBT_AF_K8S_CACHE_DIR": str(tmp_path)}
    maker = VenvMaker(VenvTarget("env", ("a",)), environment, fake_run([], code=1), LOG)
    for _ in range(2):
        with pytest.raises(ScriptRetryError, match="could not be made"):
            maker.python()


def test_a_python_that_the_worker_does_not_have_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    maker = VenvMaker(
        VenvTarget("env", python_version="3.77"), {"DBT_AF_K8S_CACHE_DIR": str(tmp_path)}, fake_run([]), LOG
    )
    with pytest.raises(ScriptFailedError, match=r"no python3\.77"):
        maker.python()


def test_the_key_of_an_environment_is_what_it_is_made_of() -> None:
    base = VenvTarget("env", ("a",))
    same = VenvTarget("other", ("a",), inherit_env=True, env=(("A", "1"),))
    others = [
        VenvTarget("env", ("b",)),
        VenvTarget("env", ("a",), python_version="3.12"),
        VenvTarget("env", ("a",), system_site_packages=True),
        VenvTarget("env", ("a",), pip_install_options=("--pre",)),
        VenvTarget("env", ("a",), index_urls=INDEXES),
    ]
    keys = [venv_key(each) for each in (base, same, *others)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 6


def test_commands_of_uv_and_of_pip(tmp_path: Path) -> None:
    target = VenvTarget("env", ("a==1", "b"), "3.12", True, ("--pre",))
    by_uv, by_pip = commands(target, tmp_path, "/bin/uv"), commands(target, tmp_path, None)
    assert by_uv[0][:2] == ("/bin/uv", "venv")
    assert "3.12" in by_uv[0]
    assert by_pip[0][:3] == ("python3.12", "-m", "venv")
    for made, installed in (by_uv, by_pip):
        assert "--system-site-packages" in made
        assert installed[-3:] == ("--pre", "a==1", "b")
    assert commands(VenvTarget("env"), tmp_path, None)[0][0] == sys.executable


def test_where_environments_are_kept() -> None:
    assert cache_folder({"DBT_AF_K8S_CACHE_DIR": "/x"}) == Path("/x")
    assert cache_folder({"XDG_CACHE_HOME": "/y"}) == Path("/y/dbt_af_k8s")
    assert cache_folder({}) == Path.home() / ".cache" / "dbt_af_k8s"
