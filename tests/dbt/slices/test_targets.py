"""`compile --parse`: a manifest and slices for each target that tasks run on; what fits none falls back."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sliced_projects import END, START, clean_environment

from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.slices.targets import make_plan_slices, target_manifest
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import Compiled, load_dags

pytestmark = pytest.mark.dbt

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: shop.duckdb}
    elsewhere: {type: duckdb, path: shop.duckdb, schema: elsewhere}
    without: {type: duckdb, path: shop.duckdb, schema: "{{ env_var('SHOP_SCHEMA') }}"}
""",
    "models/here.sql": "select 1 as id",
    "models/there.sql": "{{ config(meta={'dbt_target': 'elsewhere'}) }} select 2 as id",
    "models/nowhere.sql": "{{ config(meta={'dbt_target': 'without'}) }} select 3 as id",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """The project after `compile --parse`, and what that told; dbt had read nothing of it before."""
    root = tmp_path_factory.mktemp("targets") / "shop"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root, compile_json(root, "--parse")


def compile_json(root: Path, *flags: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "dbt_af_k8s", "compile", *flags, "--project-dir", str(root), "--format", "json"]
    done = subprocess.run(argv, env=clean_environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def loaded(root: Path) -> Compiled:
    return load_dags(PlanRequest(root), clean_environment())


def run(root: Path, name: str, target: str, **environment: str) -> tuple[bool, list[str]]:
    """Run a model as its task would; the reasons against a slice."""
    plan, lines = loaded(root), []
    project = DbtProject(root, root, plan.slices, plan.target_slices)
    node = DbtSelection(f"model.shop.{name}", "model", "shop", ("shop", name))
    task = DbtRun.here(DbtInvocation("run", (node,), target), project, environment=clean_environment(**environment))
    verdict = task.run(start=START, end=END, on_line=lambda line: lines.append(line.message))
    head = "No slice of the manifest, so dbt parses the whole project: "
    return verdict.ok, [line.removeprefix(head) for line in lines if line.startswith(head)]


@pytest.mark.slow
def test_each_target_has_slices_of_its_own(compiled) -> None:
    root, told = compiled
    assert loaded(root).because is None
    shares = {target: (one["sliced"], one["refused"]) for target, one in told["slices"]["targets"].items()}
    assert shares == {"dev": (3, 0), "elsewhere": (3, 0), "without": (0, None)}
    why = told["slices"]["targets"]["without"]["because"]
    assert why.startswith("dbt cannot parse the project for the target without (exit code ")
    assert "SHOP_SCHEMA" in why
    schemas = {
        target: json.loads(target_manifest(Path(told["folder"]), target).read_bytes())["nodes"]["model.shop.there"]
        for target in ("dev", "elsewhere")
    }
    assert {target: node["schema"] for target, node in schemas.items()} == {"dev": "main", "elsewhere": "elsewhere"}


@pytest.mark.slow
def test_a_task_takes_the_slices_of_its_target_and_says_where_there_are_none(compiled) -> None:
    root, _ = compiled
    assert run(root, "here", "dev") == (True, [])
    assert run(root, "there", "elsewhere") == (True, [])
    told = "the schema of model.shop.nowhere is 'main' in it and 'third' on the target without."
    assert run(root, "nowhere", "without", SHOP_SCHEMA="third") == (True, [told])


@pytest.mark.slow
def test_later_compilations_keep_what_was_parsed(compiled) -> None:
    root, _ = compiled
    manifest = root / "target" / "manifest.json"
    before = manifest.stat().st_mtime_ns, manifest.read_bytes()
    told = compile_json(root)
    assert {target for target, one in told["slices"]["targets"].items() if one["sliced"]} == {"dev", "elsewhere"}
    assert (manifest.stat().st_mtime_ns, manifest.read_bytes()) == before


@pytest.mark.slow
def test_a_manifest_that_is_there_is_left_alone(compiled, tmp_path) -> None:
    root, _ = compiled
    manifest = root / "target" / "manifest.json"
    before = manifest.stat().st_mtime_ns
    told = compile_json(root, "--parse")
    assert manifest.stat().st_mtime_ns == before
    assert told["slices"]["targets"]["elsewhere"]["sliced"] == 3


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (lambda own: own["metadata"].update(generated_at="2020-01-01T00:00:00Z"), "its manifest is older than"),
        (
            lambda own: own["nodes"]["model.shop.here"]["checksum"].update(checksum="other"),
            "the project has changed since the manifest of the plan was made",
        ),
        (lambda own: own.update(nodes=[]), "its manifest cannot be read"),
        (lambda own: own["metadata"].update(dbt_version="1.9.0"), "the manifest was made by dbt 1.9.0"),
    ],
)
@pytest.mark.slow
def test_a_manifest_that_does_not_fit(compiled, tmp_path: Path, change: Callable[[Any], None], because: str) -> None:
    root, _ = compiled
    manifest = root / "target" / "manifest.json"
    own = json.loads(manifest.read_bytes())
    change(own)
    file = target_manifest(tmp_path, "elsewhere")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(own))
    made = make_plan_slices(manifest, root, tmp_path, {"dev": None, "elsewhere": None})
    dev, elsewhere = made.targets
    assert made.main is not None
    assert dev.because == "it has no manifest of its own: `dbt-af-k8s compile --parse` makes one"
    assert elsewhere.summary is None
    assert elsewhere.because is not None
    assert elsewhere.because.startswith(because)


def test_a_target_whose_name_is_no_file_name(tmp_path: Path) -> None:
    plain, odd = target_manifest(tmp_path, "prod-1"), target_manifest(tmp_path, "../prod")
    assert plain == tmp_path / "targets" / "prod-1" / "manifest.json"
    assert odd.parent.parent == tmp_path / "targets"
    assert ".." not in odd.parts


def test_the_store_of_a_target() -> None:
    main, own = Path("main.slices"), Path("own.slices")
    project = DbtProject(Path(), None, main, (("prod", own),))
    assert [project.slices_for(target) for target in ("prod", "dev", None)] == [own, main, main]
    assert replace(project, slices=None).slices_for("dev") is None
