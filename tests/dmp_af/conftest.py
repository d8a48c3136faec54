"""dmp-af in a folder of its own, over the Airflow that is here; and the situations opened with it.

dmp-af is no dependency of ours. It comes from the package index into `.cache`, without its dependencies: Airflow and
the rest are here already, but for an older `cachetools`. Where that cannot be done the tests are skipped, and say why.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from dbt_af_layout import write_project
from situations import CLUSTERS, SITUATIONS

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.19.0"
PACKAGES = (f"dmp-af=={VERSION}", "cachetools>=5.3,<8")
PROGRAM = Path(__file__).with_name("open_with_dmp_af.py")
SECONDS = 180
#: What runs in Kubernetes is compared elsewhere: dmp-af's pods and ours have other fields.
OPENED = tuple(name for name in SITUATIONS if name != "kubernetes")


def without_cluster_keys(node: dict[str, Any]) -> None:
    """As in an ordinary dbt project."""
    for key in CLUSTERS:
        node["config"].pop(key, None)


def in_one_yaml(node: dict[str, Any]) -> None:
    """As where the tests of all models stand in one file."""
    if node["resource_type"] == "test":
        node["original_file_path"] = "tests_by_size/dbt/models/a/_models.yml"


#: Name -> the situation that it is made from, and what is changed in its nodes.
NOT_OPENED = {
    "no_cluster_keys": ("several_domains", without_cluster_keys),
    "tests_in_one_yaml": ("tests_by_size", in_one_yaml),
}


def installers() -> Iterator[list[str]]:
    """Ways to install into a folder, the nearest first."""
    yield [sys.executable, "-m", "uv", "pip", "install", "--quiet"]
    yield [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for name in ("uv", "pip3", "pip"):
        if found := shutil.which(name):
            yield [found, *(("pip",) if name == "uv" else ()), "install", "--quiet"]


def install(folder: Path) -> str | None:
    """Put dmp-af into a folder; why not, where nothing does it."""
    reason = "there is neither pip nor uv"
    for command in installers():
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            argv = [*command, "--no-deps", "--target", made, *PACKAGES]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS)
            if done.returncode == 0:
                shutil.copytree(made, folder, dirs_exist_ok=True)
                return None
            reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else reason
    return reason


@pytest.fixture(scope="session")
def dmp_af() -> Path:
    """The folder that has dmp-af."""
    folder = ROOT / ".cache" / f"dmp_af-{VERSION}"
    if not (folder / "dmp_af" / "dags.py").exists():
        folder.parent.mkdir(exist_ok=True)
        reason = install(folder)
        if reason is not None:
            pytest.skip(f"dmp-af {VERSION} cannot be installed: {reason}")
    return folder


@pytest.fixture(scope="session")
def project(dmp_af: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The situations on disk, parsed by dbt, and manifests that dmp-af does not open."""
    root = write_project(tmp_path_factory.mktemp("dmp_af") / "shop", {name: SITUATIONS[name] for name in OPENED})
    for name, (situation, change) in NOT_OPENED.items():
        manifest = json.loads((root / "target" / f"{situation}.json").read_text())
        for node in manifest["nodes"].values():
            change(node)
        (root / "target" / f"{name}.json").write_text(json.dumps(manifest))
    return root


@pytest.fixture(scope="session")
def opened(dmp_af: Path, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What dmp-af makes of each situation; see `open_with_dmp_af`."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "PYTHONPATH": str(dmp_af),
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "ignore",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    argv = [sys.executable, str(PROGRAM), str(project), *OPENED, *NOT_OPENED]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
