"""The compiled plan on disk: fresh, stale, damaged, read-only, shared by parallel parsers."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbt_af_k8s.config.written import Config
from dbt_af_k8s.errors import ProjectError, error
from dbt_af_k8s.plan.project import plan_for_airflow
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import CACHE_VARIABLE, compile_project, last_good_plan, load_dags

PROFILES = """
shop:
  target: "{{ env_var('SHOP_TARGET', 'dev') }}"
  outputs:
    dev: {type: duckdb, path: x, password: "{{ env_var('SHOP_PASSWORD') }}"}
    prod: {type: postgres}
"""


def node(name: str, *parents: str, folder: str = "sales") -> dict[str, object]:
    return {
        "unique_id": f"model.shop.{name}",
        "resource_type": "model",
        "name": name,
        "package_name": "shop",
        "path": f"{folder}/{name}.sql",
        "original_file_path": f"models/{folder}/{name}.sql",
        "fqn": ["shop", folder, name],
        "config": {"materialized": "table"},
        "depends_on": {"nodes": [f"model.shop.{parent}" for parent in parents]},
    }


def write_manifest(folder: Path, *nodes: dict[str, object]) -> None:
    manifest = {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.0",
            "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {str(entry["unique_id"]): entry for entry in nodes},
        "sources": {},
    }
    (folder / "target").mkdir(exist_ok=True)
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: shop\n")
    (folder / "profiles.yml").write_text(PROFILES)
    write_manifest(folder, node("a"), node("b", "a", folder="web"))
    return folder


def compiled_folder(shop: Path) -> Path:
    (index,) = (shop / "target").rglob("index.json")
    return index.parent


def test_the_second_time_it_is_read_and_the_same(shop: Path) -> None:
    request = PlanRequest(shop)
    first, second = load_dags(request, {}), load_dags(request, {})
    assert first.because == "there is none yet"
    assert second.because is None
    assert first.dags == second.dags == plan_for_airflow(request, {}).dags


def test_a_worker_reads_one_file(shop: Path) -> None:
    request = PlanRequest(shop)
    load_dags(request, {})
    for file in compiled_folder(shop).glob("*.json.z"):
        if not file.name.startswith("web__daily-"):
            file.unlink()
    found = load_dags(request, {}, only="web__daily")
    assert found.because is None
    assert [dag.dag_id for dag in found.dags] == ["web__daily"]
    assert load_dags(request, {}, only="nobody").dags == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dbt_project.yml", "name: shop\nversion: '2.0'\nprofile: shop\n"),
        ("profiles.yml", PROFILES + "\n# changed\n"),
        ("dbt_af_k8s.yml", "dags: {prefix: x_}\n"),
        ("dbt_af_k8s_run_times.json", '{"version": 1, "nodes": {}}'),
    ],
)
def test_a_changed_or_new_file_makes_it_stale(shop: Path, name: str, text: str) -> None:
    request = PlanRequest(shop)
    load_dags(request, {})
    (shop / name).write_text(text)
    assert load_dags(request, {}).because == f"{name} has changed"
    assert load_dags(request, {}).because is None
    (shop / name).unlink()
    if name == "dbt_af_k8s.yml":
        assert load_dags(request, {}).because == f"{name} has changed"


def test_a_new_manifest_makes_it_stale(shop: Path) -> None:
    request = PlanRequest(shop)
    load_dags(request, {})
    write_manifest(shop, node("a"))
    found = load_dags(request, {})
    assert found.because == "target/manifest.json has changed"
    assert "web__daily" not in {dag.dag_id for dag in found.dags}
    names = {file.name for file in compiled_folder(shop).glob("*.json.z")}
    assert not [name for name in names if name.startswith("web__daily-")]


def test_the_same_content_at_another_time_or_place_is_fresh(shop: Path, tmp_path: Path) -> None:
    load_dags(PlanRequest(shop), {})
    moved = tmp_path / "elsewhere"
    shutil.copytree(shop, moved)
    for file in (moved / "target" / "manifest.json", moved / "profiles.yml"):
        os.utime(file, (1, 1))
    assert load_dags(PlanRequest(moved), {}).because is None


def test_only_variables_that_planning_reads_count(shop: Path) -> None:
    request = PlanRequest(shop)
    load_dags(request, {"SHOP_PASSWORD": "one", "OTHER": "x"})
    assert load_dags(request, {"SHOP_PASSWORD": "two"}).because is None
    found = load_dags(request, {"SHOP_TARGET": "prod"})
    assert found.because == "the environment variable SHOP_TARGET has changed"
    (task,) = [task for dag in found.dags if dag.dag_id == "sales__daily" for task in dag.tasks]
    assert task.target == "prod"


def test_no_value_of_a_variable_is_written(shop: Path) -> None:
    load_dags(PlanRequest(shop), {"SHOP_PASSWORD": "topsecret", "SHOP_TARGET": "prod"})
    for file in compiled_folder(shop).rglob("*"):
        assert b"topsecret" not in file.read_bytes()


def test_each_request_has_a_plan_of_its_own(shop: Path) -> None:
    load_dags(PlanRequest(shop), {})
    assert load_dags(PlanRequest(shop, select=("a",)), {}).because == "there is none yet"
    assert load_dags(PlanRequest(shop, config=Config(strict=True)), {}).because == "there is none yet"
    assert load_dags(PlanRequest(shop), {}).because is None


def test_a_config_with_things_to_call_has_one_plan(shop: Path) -> None:
    for because in ("there is none yet", None):
        config = Config.model_validate({"callbacks": {"dag": {"on_failure": [lambda context: None]}}})
        assert load_dags(PlanRequest(shop, config=config), {}).because == because


@pytest.mark.parametrize(
    "damage", ["truncated", "other bytes", "gone", "index broken", "index of another form", "slices of another kind"]
)
def test_damage_is_noticed_and_mended(shop: Path, damage: str) -> None:
    request = PlanRequest(shop)
    expected = load_dags(request, {}).dags
    folder = compiled_folder(shop)
    file = next(folder.glob("sales__daily-*.json.z"))
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:20])
    elif damage == "other bytes":
        file.write_bytes(b"x" * file.stat().st_size)
    elif damage == "gone":
        file.unlink()
    elif damage == "index broken":
        (folder / "index.json").write_text('{"format": 1, "plan"')
    elif damage == "slices of another kind":
        index = json.loads((folder / "index.json").read_text())
        (folder / "index.json").write_text(json.dumps({**index, "slices": 5}))
    else:
        (folder / "index.json").write_text('{"format": 999, "plan": 1}')
    found = load_dags(request, {})
    assert found.because is not None
    assert found.dags == expected
    assert load_dags(request, {}).because is None


def test_a_plan_of_another_release_is_made_anew(shop: Path) -> None:
    load_dags(PlanRequest(shop), {})
    index = compiled_folder(shop) / "index.json"
    data = json.loads(index.read_text())
    index.write_text(json.dumps({**data, "made_by": "0.0.1"}))
    because = load_dags(PlanRequest(shop), {}).because
    assert because is not None
    assert because.startswith("it was made by version 0.0.1")


def test_a_project_that_cannot_be_written_to_uses_the_cache_folder(shop: Path, tmp_path: Path) -> None:
    (shop / "target" / "dbt_af_k8s").write_text("a file stands where the folder would be")
    found = load_dags(PlanRequest(shop), {})
    assert found.folder is None
    assert len(found.dags) == 5
    env = {CACHE_VARIABLE: str(tmp_path / "cache")}
    assert load_dags(PlanRequest(shop), env).folder is not None
    assert load_dags(PlanRequest(shop), env).because is None


def test_a_project_that_cannot_be_planned_leaves_nothing_behind(shop: Path) -> None:
    (shop / "target" / "manifest.json").write_text("{")
    with pytest.raises(ProjectError):
        load_dags(PlanRequest(shop), {})
    assert not list((shop / "target").rglob("*.json.z"))
    assert not list((shop / "target").rglob("index.json"))


def test_parallel_parsers_make_it_once(shop: Path) -> None:
    request = PlanRequest(shop)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: load_dags(request, {}), range(6)))
    assert all(result.dags == found[0].dags for result in found)
    assert [result.because for result in found].count(None) >= 1
    assert not list(compiled_folder(shop).glob(".writing-*"))


@pytest.mark.parametrize(
    ("written", "env"),
    [
        ("'build'  # ours", {}),
        ("\"{{ env_var('SHOP_OUT', 'other') }}\"", {"SHOP_OUT": "build"}),
        ("\"{{ env_var('SHOP_OUT', env_var('SHOP_OUT_TOO', 'build')) }}\"", {}),
        ("other", {"DBT_TARGET_PATH": "build"}),
    ],
)
def test_the_plan_lies_with_the_manifest_and_goes_stale_with_it(shop: Path, written: str, env: dict[str, str]) -> None:
    (shop / "dbt_project.yml").write_text(f"name: shop\nprofile: shop\ntarget-path: {written}\n")
    (shop / "target").rename(shop / "build")
    request = PlanRequest(shop)
    assert load_dags(request, env).because == "there is none yet"
    fresh = load_dags(request, env)
    assert fresh.because is None
    assert fresh.folder is not None
    assert fresh.folder.is_relative_to(shop / "build")
    (shop / "build").rename(shop / "target")
    write_manifest(shop, node("a"), node("b", "a"))
    (shop / "target").rename(shop / "build")
    assert load_dags(request, env).because == "build/manifest.json has changed"


def test_what_a_killed_process_left_is_swept(shop: Path) -> None:
    load_dags(PlanRequest(shop), {})
    folder = compiled_folder(shop)
    left = folder / ".writing-abc"
    left.write_text("half")
    compile_project(PlanRequest(shop), {})
    assert not left.exists()


def test_slices_that_are_gone_are_made_anew(shop: Path) -> None:
    made = load_dags(PlanRequest(shop), {}).slices
    assert made is not None
    made.unlink()
    assert load_dags(PlanRequest(shop), {}, only="sales__daily").because == "a file of it is missing or damaged"
    assert made.is_file()
    assert load_dags(PlanRequest(shop), {}).because is None


def test_asked_for_it_is_made_anew_though_fresh(shop: Path) -> None:
    compile_project(PlanRequest(shop), {})
    assert compile_project(PlanRequest(shop), {}).because == "it was asked for"


def test_reading_a_fresh_plan_imports_none_of_the_planning_rooms(shop: Path) -> None:
    load_dags(PlanRequest(shop), {})
    code = (
        "import sys; from pathlib import Path; from dbt_af_k8s.plan.request import PlanRequest;"
        "from dbt_af_k8s.plan.store import load_dags;"
        f"assert load_dags(PlanRequest(Path({str(shop)!r})), {{}}).because is None;"
        "print(sorted({'pydantic', 'networkx', 'yaml', 'jinja2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_fresh_plan_is_read_in_time_that_does_not_grow_with_the_manifest(shop: Path) -> None:
    """No walk over the project and no look into the manifest: a manifest of 20 MB costs nothing to read one DAG."""
    write_manifest(shop, node("a"), *(node(f"m{i}", folder=f"d{i % 50}") for i in range(3_000)))
    request = PlanRequest(shop)
    load_dags(request, {})
    started = time.process_time()
    assert len(load_dags(request, {}, only="sales__daily").dags) == 1
    assert time.process_time() - started < 0.2


def test_the_slices_lie_beside_and_go_with_the_plan(shop: Path) -> None:
    request = PlanRequest(shop)
    first = load_dags(request, {})
    assert first.made_slices is not None
    assert first.made_slices.main is not None
    assert first.slices == compiled_folder(shop) / first.made_slices.main.name
    assert first.slices.is_file()
    assert load_dags(request, {}).slices == first.slices
    write_manifest(shop, node("a"))
    second = load_dags(request, {})
    assert second.slices is not None
    assert second.slices.is_file()
    assert not first.slices.exists()


def test_a_manifest_of_which_no_slices_can_be_made_has_a_plan_all_the_same(shop: Path) -> None:
    file = shop / "target" / "manifest.json"
    file.write_text(file.read_text().replace('"dbt_version": "1.11.0"', '"dbt_version": "1.9.0"'))
    done = load_dags(PlanRequest(shop), {})
    assert done.dags
    assert done.slices is None
    assert done.made_slices is not None
    assert "dbt 1.9.0" in (done.made_slices.because or "")
    assert load_dags(PlanRequest(shop), {}).because is None


class TestLastGoodPlan:
    """A manifest that is not whole, beside a compiled plan that is."""

    @staticmethod
    def planned(shop: Path, settings: str = "") -> tuple[Path, bytes]:
        if settings:
            (shop / "dbt_af_k8s.yml").write_text(settings)
        compile_project(PlanRequest(shop), {})
        manifest = shop / "target" / "manifest.json"
        return manifest, manifest.read_bytes()

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 0.77, 0.99, 1.0])
    def test_it_stands_in_while_the_manifest_is_cut(self, shop: Path, share: float) -> None:
        manifest, whole = self.planned(shop)
        manifest.write_bytes(whole[: min(int(len(whole) * share), len(whole) - 1)])
        found = load_dags(PlanRequest(shop), {})
        assert [dag.dag_id for dag in found.dags if dag.kind == "scheduled"] == ["sales__daily", "web__daily"]
        assert found.stands_in is not None
        assert found.stands_in.code == "last-good-plan"
        assert "The manifest cannot be read since" in found.stands_in.message
        assert all(dag.doc_md.startswith(f"**{found.stands_in.message}**") for dag in found.dags)
        assert [dag.dag_id for dag in load_dags(PlanRequest(shop), {}, only="web__daily").dags] == ["web__daily"]

    def test_it_stands_in_while_the_manifest_is_gone_and_goes_when_it_is_back(self, shop: Path) -> None:
        manifest, whole = self.planned(shop)
        manifest.unlink()
        assert load_dags(PlanRequest(shop), {}).stands_in is not None
        manifest.write_bytes(whole)
        back = load_dags(PlanRequest(shop), {})
        assert back.stands_in is None
        assert not any("cannot be read" in dag.doc_md for dag in back.dags)

    def test_what_else_has_changed_meanwhile_waits_for_the_manifest(self, shop: Path) -> None:
        manifest, whole = self.planned(shop)
        manifest.write_bytes(whole[:99])
        (shop / "dbt_af_k8s.yml").write_text("dags: {owner: me}\n")
        assert load_dags(PlanRequest(shop), {}).stands_in is not None

    def test_other_faults_are_told_at_once(self, shop: Path) -> None:
        manifest, whole = self.planned(shop)
        manifest.write_bytes(whole.replace(b"manifest/v12", b"manifest/v4"))
        with pytest.raises(ProjectError, match="manifest-too-old"):
            load_dags(PlanRequest(shop), {})
        manifest.unlink()
        (shop / "dbt_project.yml").write_text("name: [\n")
        with pytest.raises(ProjectError, match=r"dbt_project\.yml"):
            load_dags(PlanRequest(shop), {})

    def test_a_plan_that_is_not_whole_does_not_stand_in(self, shop: Path) -> None:
        manifest, _ = self.planned(shop)
        manifest.unlink()
        next(compiled_folder(shop).glob("web__daily*.json.z")).unlink()
        with pytest.raises(ProjectError):
            load_dags(PlanRequest(shop), {})

    def test_for_a_time_that_is_a_setting(self, shop: Path) -> None:
        manifest, _ = self.planned(shop, "dags: {last_good_plan: 90m}\n")
        manifest.unlink()
        fault = ProjectError([error("manifest-missing", "m", "f")])
        now = datetime.now(UTC)
        last = last_good_plan(PlanRequest(shop), {}, fault, now=now)
        assert last is not None
        assert last.is_in_time
        assert timedelta(minutes=89) < last.until - now <= timedelta(minutes=90)
        late = last_good_plan(PlanRequest(shop), {}, fault, now=now + timedelta(minutes=91))
        assert late is not None
        assert not late.is_in_time
        assert "stood in for it until" in late.issue.message

    def test_no_time_is_no_plan(self, shop: Path) -> None:
        manifest, _ = self.planned(shop, "dags: {last_good_plan: 0}\n")
        manifest.unlink()
        with pytest.raises(ProjectError, match="manifest-missing"):
            load_dags(PlanRequest(shop), {})

    def test_after_its_time_the_fault_stops_the_dags(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        manifest, _ = self.planned(shop)
        manifest.unlink()
        monkeypatch.setattr("dbt_af_k8s.plan.store._last_change", lambda path: datetime(2026, 1, 1, tzinfo=UTC))
        with pytest.raises(ProjectError, match="manifest-missing") as raised:
            load_dags(PlanRequest(shop), {})
        assert [issue.code for issue in raised.value.issues] == ["manifest-missing", "last-good-plan"]

    def test_the_time_counts_from_the_last_change_whatever_time_the_file_pretends(self, shop: Path) -> None:
        manifest, whole = self.planned(shop)
        manifest.write_bytes(whole[:50])
        os.utime(manifest, (0, 0))
        assert load_dags(PlanRequest(shop), {}).stands_in is not None

    def test_a_plan_in_the_cache_folder_stands_in_for_a_whole_target_folder(self, shop: Path, tmp_path: Path) -> None:
        env = {CACHE_VARIABLE: str(tmp_path / "cache")}
        self.planned(shop)
        plan = next((shop / "target").rglob("index.json")).parent
        index = compile_project(PlanRequest(shop), env)
        assert index.folder == plan
        cached = tmp_path / "cache" / hashlib.sha256(str(shop).encode()).hexdigest()[:16] / plan.name
        shutil.copytree(plan, cached)
        shutil.rmtree(shop / "target")
        assert load_dags(PlanRequest(shop), env).stands_in is not None
