"""How the package gets into a project, and what dbt makes of it."""

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
import yaml
from maintained_shop import AS_OF, DBT, read_outcome, write_project

from dbt_af_k8s.dbt.maintenance import MaintenanceOperation, run_operation_args
from dbt_af_k8s.dbt.maintenance_adapters import MACROS
from dbt_af_k8s.dbt.maintenance_package import install_package, package_path
from dbt_af_k8s.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with neither a packages.yml nor any package."""
    folder = tmp_path / "shop"
    write_project(folder, "x: {type: duckdb, path: shop.duckdb}")
    (folder / "packages.yml").unlink()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.dbt
@pytest.mark.slow
def test_dbt_finds_the_copy_without_packages_yml_and_without_dbt_deps(project: Path) -> None:
    install_package(project)
    with duckdb.connect(str(project / "shop.duckdb")) as connection:
        connection.execute("create table events as select 1 as id, timestamp '2020-01-01' as seen_at")
    ttl = MaintenanceOperation("ttl", (("expiration_timeout", 1), ("key", "seen_at")))
    macro, args = run_operation_args(ttl, "model.shop.events", AS_OF)
    command = [DBT, "run-operation", macro, "--args", json.dumps(args), "--log-format", "json", "--profiles-dir", "."]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    done = read_outcome((ran.returncode, ran.stdout))
    assert done.code == 0, done.output
    assert done.result["rows_deleted"] == 1
    with duckdb.connect(str(project / "shop.duckdb")) as connection:
        assert connection.execute("select count(*) from events").fetchall() == [(0,)]


def test_it_is_copied_whole_and_again_without_a_change(project: Path) -> None:
    folder = install_package(project)
    assert folder == project / "dbt_packages" / "dbt_af_k8s"
    assert contents(folder) == contents(package_path())
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert install_package(project) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_an_older_version_of_ours_is_brought_up_to_date(project: Path) -> None:
    folder = install_package(project)
    ttl, left_over = folder / "macros" / "ttl.sql", folder / "macros" / "left_over.sql"
    ttl.write_text("older")
    left_over.write_text("no longer there")
    record = folder / ".dbt_af_k8s.json"
    hashes = json.loads(record.read_text())
    hashes["macros/ttl.sql"] = sha256(b"older").hexdigest()
    hashes["macros/left_over.sql"] = sha256(b"no longer there").hexdigest()
    record.write_text(json.dumps(hashes))
    install_package(project)
    assert contents(folder) == contents(package_path())


@pytest.mark.parametrize("spoilt", ["changed", "added", "foreign folder", "a file", "a link"])
def test_what_is_not_ours_is_never_touched(project: Path, tmp_path: Path, spoilt: str) -> None:
    folder = project / "dbt_packages" / "dbt_af_k8s"
    if spoilt in ("changed", "added"):
        install_package(project)
        (folder / "macros" / ("ttl.sql" if spoilt == "changed" else "mine.sql")).write_text("mine")
    elif spoilt == "foreign folder":
        folder.mkdir(parents=True)
        (folder / "dbt_project.yml").write_text("name: dbt_af_k8s")
    elif spoilt == "a file":
        folder.parent.mkdir()
        folder.write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        folder.parent.mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    before = contents(project)
    with pytest.raises(UsageError):
        install_package(project)
    assert contents(project) == before
    if spoilt == "a link":
        assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_record_cannot_point_out_of_the_folder(project: Path) -> None:
    folder = install_package(project)
    precious = project / "dbt_project.yml"
    record = folder / ".dbt_af_k8s.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "../../dbt_project.yml": "x"}))
    install_package(project)
    assert precious.is_file()


def test_the_link_that_dbt_deps_makes_is_left_as_it_is(project: Path) -> None:
    folder = project / "dbt_packages" / "dbt_af_k8s"
    folder.parent.mkdir()
    folder.symlink_to(package_path())
    assert install_package(project) == folder
    assert folder.is_symlink()


def test_the_projects_own_packages_folder_is_used(project: Path) -> None:
    text = (project / "dbt_project.yml").read_text().replace("dbt_packages", "other_packages")
    (project / "dbt_project.yml").write_text(text)
    assert install_package(project) == project / "other_packages" / "dbt_af_k8s"


@pytest.mark.parametrize("text", [None, "a: [", "packages-install-path: \"{{ env_var('X') }}\""])
def test_a_folder_without_a_project_that_can_be_read(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "dbt_project.yml").write_text(text)
    with pytest.raises(UsageError, match=r"dbt_project\.yml"):
        install_package(tmp_path)
    assert not (tmp_path / "dbt_packages").exists()


def test_the_package_has_a_macro_for_each_operation_and_the_version_of_the_library() -> None:
    project = yaml.safe_load((package_path() / "dbt_project.yml").read_text())
    assert project["name"] == "dbt_af_k8s"
    assert f'version = "{project["version"]}"' in (ROOT / "pyproject.toml").read_text()
    text = "".join(path.read_text() for path in (package_path() / "macros").glob("*.sql"))
    assert [name for name in MACROS if f"{{% macro {name}(model" not in text] == []
