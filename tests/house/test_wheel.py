"""The wheel holds the package whole: every module, the dbt macros, the mark that it is typed, and nothing else."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """Built by the backend itself, without an environment of its own, so nothing is downloaded."""
    folder = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    return ZipFile(file)


def test_it_has_every_file_of_the_package_and_no_other(wheel: ZipFile, root: Path) -> None:
    package = root / "dbt_af_k8s"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    wanted = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == set(wanted)
    assert {name: wheel.read(name) for name in held} == wanted


def test_the_macros_and_the_mark_of_types_are_among_them(wheel: ZipFile) -> None:
    held = wheel.namelist()
    assert {
        "dbt_af_k8s/py.typed",
        "dbt_af_k8s/dbt/package/dbt_project.yml",
        "dbt_af_k8s/dbt/package/macros/ttl.sql",
    } <= set(held)


def test_it_brings_the_program_and_the_licence(wheel: ZipFile) -> None:
    info = {name.partition("/")[2]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "dbt-af-k8s = dbt_af_k8s.cli.main:main" in wheel.read(info["entry_points.txt"]).decode()
    assert "licenses/LICENSE" in info


def test_the_macros_install_from_the_unpacked_wheel(wheel: ZipFile, tmp_path: Path) -> None:
    """As pip unpacks it; `-I` keeps every other copy of the package away from the path."""
    site, project = tmp_path / "site", tmp_path / "shop"
    wheel.extractall(site)
    project.mkdir()
    (project / "dbt_project.yml").write_text("name: shop\n")
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); from pathlib import Path\n"
        "from dbt_af_k8s.dbt import maintenance_package as found\n"
        f"assert found.__file__.startswith({str(site)!r}), found.__file__\n"
        f"found.install_package(Path({str(project)!r}))"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=120)
    assert (project / "dbt_packages" / "dbt_af_k8s" / "macros" / "ttl.sql").is_file()
