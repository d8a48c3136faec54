"""dbt projects for slices, and a process that has dbt imported."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import postgres_server
from sliced_projects import Sliced, WarmDbt, clean_environment, parse_and_slice, slice_again

from dbt_af_k8s.dbt.maintenance_package import install_package

__all__ = ["postgres_server"]

#: A project with every feature that a slice must carry; its packages lie in it, for dbt reads what is there.
MANY_FEATURES = Path(__file__).with_name("many_features")


def make_sliced(root: Path, files: dict[str, str]) -> Sliced:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return parse_and_slice(root, clean_environment())


@pytest.fixture(scope="session")
def many_features_unparsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(shutil.copytree(MANY_FEATURES, tmp_path_factory.mktemp("many") / "shop"))
    install_package(root)
    return root


@pytest.fixture(scope="session")
def shop_sliced(parsed_shop: Path) -> Sliced:
    return slice_again(parsed_shop, clean_environment())


@pytest.fixture(scope="module")
def warm_dbt() -> Iterator[WarmDbt]:
    warm = WarmDbt()
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def slice_project():
    return make_sliced


@pytest.fixture(scope="session")
def remake_slices():
    return slice_again
