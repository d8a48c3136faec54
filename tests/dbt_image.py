"""The project of the tests of dbt in pods, and the image that holds it for a real cluster.

`python tests/dbt_image.py FOLDER` writes all that a build needs; CONTRIBUTING.md tells how to go on. The folder must
stay as it is: the manifest in the image must be the one that the tests plan from, byte by byte.
"""

import os
import shutil
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

#: Where the project lies in the image.
IN_IMAGE = "/dbt/project"
_ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels: {+materialized: table}\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n",
    "models/orders.sql": "{{ log('Größe', info=true) }}select '{{ var(\"start_dttm\") }}' as s",
    "models/broken.sql": "select * from nowhere_at_all",
}
#: Stands for dbt where the pod is what is tried: writes results as told, or none.
FAKE = """#!{python}
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--target-path") + 1])
profiles = pathlib.Path(sys.argv[sys.argv.index("--profiles-dir") + 1]) if "--profiles-dir" in sys.argv else None
if profiles is not None:
    stat = os.statvfs(profiles)
    print("profile", json.loads((profiles / "profiles.yml").read_text())["shop"]["outputs"]["dev"]["user"])
if os.environ.get("FAKE_SIGTERM") == "ignored":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("began", flush=True)
print("waits", flush=True)
time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
row = {{"unique_id": "model.shop.orders", "status": "success", "message": "OK", "execution_time": 1.0,
       "adapter_response": {{"rows_affected": 7}}}}
if os.environ.get("FAKE_RESULT", "yes") == "yes":
    (folder / "run_results.json").write_text(json.dumps({{"results": [row]}}))
"""
#: The folder is world-writable, for dbt writes beside the project's database as whoever the cluster lets it be.
DOCKERFILE = """FROM {base}
COPY library /library
RUN python -m pip install --no-cache-dir dbt-core=={dbt} dbt-duckdb=={adapter} /library
COPY project {folder}
RUN chmod -R a+rwX {folder}
WORKDIR {folder}
USER 10001
"""


def write_project(folder: Path, *, python: str) -> None:
    """Write the project, parsed and with its slices; its stand-in for dbt runs by this Python."""
    from dbt_af_k8s.plan.request import PlanRequest
    from dbt_af_k8s.plan.store import compile_project

    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run([Path(sys.executable).with_name("dbt"), "--quiet", "parse"], cwd=folder, check=True)
    assert compile_project(PlanRequest(folder), os.environ).slices
    fake = folder / "fake_dbt"
    fake.write_text(FAKE.format(python=python))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def write_context(folder: Path, *, base: str = "python:3.12-slim") -> None:
    """Write what an image is built from: a Dockerfile, the project, and this library."""
    write_project(folder / "project", python="/usr/local/bin/python")
    library = folder / "library"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        library.mkdir(exist_ok=True)
        shutil.copy(_ROOT / name, library)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_ROOT / "dbt_af_k8s", library / "dbt_af_k8s", dirs_exist_ok=True, ignore=ignored)
    versions = {"dbt": version("dbt-core"), "adapter": version("dbt-duckdb")}
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base, folder=IN_IMAGE, **versions))


if __name__ == "__main__":
    write_context(Path(sys.argv[1]).absolute(), base=os.environ.get("DBT_AF_K8S_TEST_PYTHON_IMAGE", "python:3.12-slim"))
