"""The program that runs dbt in a pod, as a process of this machine: what it runs, refuses, says and answers."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.dbt.command import dbt_words
from dbt_af_k8s.dbt.log_frames import is_frame
from dbt_af_k8s.dbt.pod_job import PodJob, job_arguments, read_answer
from dbt_af_k8s.dbt.results import verdict
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id

pytestmark = pytest.mark.dbt
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)


def start(arguments: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dbt_af_k8s.dbt.in_pod", *arguments]
    paths = [path for path in sys.path if path]
    return subprocess.run(
        command,
        env={**environment, "PYTHONPATH": ":".join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def shop(make_project: Any) -> Any:
    files = {
        "models/orders.sql": "{{ log('dbt-af-k8s-result says the macro', info=true) }} select 1 as id",
        "models/broken.sql": "select * from nowhere_at_all",
    }
    made = make_project(files)
    made.parse()
    return made


def job(shop: Any, name: str, *, sha256: str | None = None) -> PodJob:
    manifest = shop.folder / "target" / "manifest.json"
    invocation = DbtInvocation("run", (node_by_id(f"model.shop.{name}"),))
    return PodJob(
        dbt_words(invocation, start=START, end=END),
        invocation,
        True,
        str(shop.folder),
        "target/manifest.json",
        sha256 or hashlib.sha256(manifest.read_bytes()).hexdigest(),
    )


@pytest.mark.parametrize(("name", "code", "status"), [("orders", 0, "success"), ("broken", 1, "error")])
def test_a_model_runs_and_its_row_comes_back(shop: Any, name: str, code: int, status: str) -> None:
    done = start(job_arguments(job(shop, name)), shop.environment)
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    answer = read_answer(lines)
    assert answer is not None
    assert answer.outcome is not None
    node = f"model.shop.{name}"
    found = verdict((node,), answer.outcome.results, answer.outcome.end, answer.outcome.log)
    assert found.ok is (code == 0)
    assert [(row.unique_id, row.status) for row in found.results] == [(node, status)]
    said = [line for line in lines if not is_frame(line)]
    if name == "orders":
        assert "dbt af k8s result says the macro" in said
    else:
        assert any(line.startswith("ERROR: ") and "nowhere_at_all" in line for line in said)


def test_another_manifest_is_refused_before_dbt_starts(shop: Any) -> None:
    done = start(job_arguments(job(shop, "orders", sha256="0" * 64)), shop.environment)
    assert done.returncode == 2
    answer = read_answer(done.stdout.splitlines())
    assert answer is not None
    assert answer.outcome is None
    assert "not that of the plan" in str(answer.refused)
    assert "000000000000" in str(answer.refused)


def test_an_image_without_a_manifest_says_where_it_looked(tmp_path: Path, shop: Any) -> None:
    arguments = list(job_arguments(job(shop, "orders")))
    arguments[1] = arguments[1].replace(str(shop.folder), str(tmp_path))
    done = start(arguments, shop.environment)
    assert done.returncode == 2
    assert f"ERROR: The image has no manifest at {tmp_path}/target/manifest.json" in done.stdout


def test_what_is_no_job_is_refused(shop: Any) -> None:
    done = start(("nonsense",), shop.environment)
    assert done.returncode == 2
    assert "does not know the job" in done.stdout
