"""Finding the CSV of a seed where dbt would find it."""

import hashlib
from pathlib import Path

import pytest

from dbt_af_k8s.dbt.seed_file import seed_checksum
from dbt_af_k8s.dbt.values import DbtProject, DbtSelection


def project(folder: Path, text: str, *files: str) -> DbtProject:
    (folder / "dbt_project.yml").write_text(text)
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return DbtProject(folder)


def checksum(found: DbtProject, *fqn: str) -> str | None:
    return seed_checksum(DbtSelection(f"seed.{fqn[0]}.x", "seed", fqn[0], fqn), found)


@pytest.mark.parametrize(
    ("text", "file", "fqn"),
    [
        ("name: shop", "seeds/rates.csv", ("shop", "rates")),
        ("name: shop", "seeds/sales/eu/rates.csv", ("shop", "sales", "eu", "rates")),
        ("name: shop\nseed-paths: [a, data]", "data/rates.csv", ("shop", "rates")),
        ("name: shop\nseed-paths: nonsense", "seeds/a.b.csv", ("shop", "a.b")),
        ("name: shop", "dbt_packages/lib/seeds/x/rates.csv", ("lib", "x", "rates")),
        ("name: shop\npackages-install-path: deps", "deps/lib/seeds/rates.csv", ("lib", "rates")),
    ],
)
def test_where_it_lies(tmp_path: Path, text: str, file: str, fqn: tuple[str, ...]) -> None:
    assert checksum(project(tmp_path, text, file), *fqn) == hashlib.sha256(file.encode()).hexdigest()


def test_a_package_has_seed_paths_of_its_own(tmp_path: Path) -> None:
    found = project(tmp_path, "name: shop\nseed-paths: [nowhere]", "dbt_packages/lib/data/rates.csv")
    (tmp_path / "dbt_packages/lib/dbt_project.yml").write_text("name: lib\nseed-paths: [data]\n")
    assert checksum(found, "lib", "rates") is not None


@pytest.mark.parametrize("text", ["name: shop", "- a", "name: [", "name: shop\nseed-paths: ['a\\0b']"])
def test_what_is_not_found_has_no_checksum(tmp_path: Path, text: str) -> None:
    assert checksum(project(tmp_path, text), "shop", "rates") is None
    assert checksum(project(tmp_path, text), "shop") is None
    assert checksum(DbtProject(tmp_path / "nowhere"), "shop", "rates") is None
