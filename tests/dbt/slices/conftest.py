"""dbt projects for slices: one with many features, and running nodes both ways."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.dbt import driver
from dbt_af_k8s.dbt.command import dbt_argv
from dbt_af_k8s.dbt.slices.make import make_slices
from dbt_af_k8s.dbt.slices.start import refusal_in, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice, SliceSummary
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection

DRIVER = Path(driver.__file__)
START = datetime(2026, 1, 11, tzinfo=UTC)
END = datetime(2026, 1, 12, tzinfo=UTC)
VERBS = {"model": "run", "seed": "seed", "snapshot": "snapshot", "test": "test"}

#: A project with every feature that a slice must carry; its packages lie in it, for dbt reads what is there.
MANY_FEATURES = Path(__file__).with_name("many_features")


@dataclass(frozen=True)
class Sliced:
    """A parsed project with its slices."""

    root: Path
    manifest: dict[str, Any]
    summary: SliceSummary
    environment: dict[str, str]

    @property
    def store(self) -> Path:
        return self.root / "target" / self.summary.name

    def invocation(self, *unique_ids: str, target: str | None = None) -> DbtInvocation:
        nodes = [self.manifest["nodes"][unique_id] for unique_id in unique_ids]
        return DbtInvocation(
            VERBS[nodes[0]["resource_type"]],
            tuple(
                DbtSelection(node["unique_id"], node["resource_type"], node["package_name"], tuple(node["fqn"]))
                for node in nodes
            ),
            target=target,
            microbatch=nodes[0]["config"].get("incremental_strategy") == "microbatch",
        )


@dataclass(frozen=True)
class Outcome:
    """What one dbt process said and left."""

    code: int
    rows: list[dict[str, Any]]
    lines: list[str]
    refused: str | None


def make_sliced(root: Path, files: dict[str, str]) -> Sliced:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "SHOP_"))}
    dbt = str(Path(sys.executable).with_name("dbt"))
    told = subprocess.run(
        [dbt, "--quiet", "parse"], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stdout
    return slice_again(root, environment)


def slice_again(root: Path, environment: dict[str, str]) -> Sliced:
    data = (root / "target" / "manifest.json").read_bytes()
    return Sliced(root, json.loads(data), make_slices(data, root, root / "target"), environment)


class WarmDriver:
    """The driver, run many times from one process that has imported dbt already."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("warm_driver.py")
        argv = [sys.executable, str(script), str(DRIVER)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(
        self, argv: tuple[str, ...], cwd: Path, env: dict[str, str], output: Path
    ) -> "subprocess.CompletedProcess[str]":
        python, driver, *arguments = argv
        assert (python, driver) == (sys.executable, str(DRIVER))
        job = {"argv": arguments, "cwd": str(cwd), "env": env, "output": str(output)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(argv, code, output.read_text("utf-8"), "")

    def close(self) -> None:
        self._process.communicate()


def run_once(
    project: Sliced,
    invocation: DbtInvocation,
    target_path: Path,
    *,
    sliced: bool,
    database: Path,
    warm: WarmDriver | None = None,
) -> Outcome:
    """One dbt process, from slices or on the whole project."""
    environment = {**project.environment, "SHOP_DUCKDB": str(database)}
    target_path.mkdir(parents=True)
    where = DbtProject(project.root, project.root)
    argv: tuple[str, ...] = dbt_argv(
        invocation, where, target_path=target_path, start=START, end=END, variables={"flavour": "plain"}
    )
    if sliced:
        start = start_from_slice(
            invocation,
            project.store,
            argv,
            project_dir=project.root,
            target_path=target_path,
            environment=environment,
        )
        assert not isinstance(start, NoSlice), start.because
        argv = start.argv
    if sliced and warm is not None:
        done = warm.run(argv, project.root, environment, target_path / "output.txt")
    else:
        done = subprocess.run(argv, cwd=project.root, env=environment, capture_output=True, text=True, timeout=300)
    results = target_path / "run_results.json"
    rows = json.loads(results.read_bytes())["results"] if results.exists() else []
    return Outcome(done.returncode, rows, (done.stdout + done.stderr).splitlines(), refusal_in(target_path))


@pytest.fixture(scope="session")
def many_features(tmp_path_factory: pytest.TempPathFactory) -> Sliced:
    root = shutil.copytree(MANY_FEATURES, tmp_path_factory.mktemp("many") / "shop")
    return make_sliced(root, {})


@pytest.fixture(scope="session")
def shop_sliced(parsed_shop: Path) -> Sliced:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "SHOP_"))}
    return slice_again(parsed_shop, environment)


@pytest.fixture
def warm_driver() -> Iterator[WarmDriver]:
    warm = WarmDriver()
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def run_node():
    return run_once


@pytest.fixture(scope="session")
def slice_project():
    return make_sliced


@pytest.fixture(scope="session")
def remake_slices():
    return slice_again
