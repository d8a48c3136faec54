"""A slice is left as soon as anything that it bakes in has changed: of the node, of its parents, of local packages."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from sliced_projects import DBT, Sliced, clean_environment, parse_and_slice, slice_again

from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.slices.start import start_from_slice
from dbt_af_k8s.dbt.slices.values import SliceStart
from dbt_af_k8s.dbt.values import DbtProject

pytestmark = pytest.mark.dbt

FILES = {
    "shop/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels: {shop: {+materialized: table}}\n",
    "shop/profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "shop/packages.yml": "packages: [{local: ../lib}]\n",
    "shop/package-lock.yml": "packages: [{local: ../lib, name: lib}]\nsha1_hash: x\n",
    # A name that is made of more than the model's own.
    "shop/macros/names.sql": """
{% macro generate_alias_name(custom_alias_name=none, node=none) %}
  {{- custom_alias_name or node.name -}}
  {{- '_hot' if 'hot' in node.tags -}}
  {{- '_' ~ node.meta.team if node.meta.team -}}
  {{- '_v' ~ node.version if node.version -}}
{% endmacro %}
""",
    "shop/models/base.sql": "{{ config(tags=['hot'], meta={'team': 'red'}) }}\nselect 1 as id",
    "shop/models/child.sql": "select * from {{ ref('base') }}",
    "shop/models/grandchild.sql": "select * from {{ ref('child') }}",
    "shop/models/priced_v1.sql": "select 1 as price",
    "shop/models/priced_v2.sql": "select 2 as price",
    "shop/models/of_priced.sql": "select * from {{ ref('priced') }}",
    "shop/models/_base.yml": "models: [{name: base, description: Rows.}]\n",
    "shop/models/_priced.yml": "models: [{name: priced, latest_version: 2, versions: [{v: 1}, {v: 2}]}]\n",
    "shop/models/borrows.sql": "select {{ lib.one() }} as n",
    "lib/dbt_project.yml": "name: lib\nversion: '1.0'\n",
    "lib/macros/one.sql": "{% macro one() %}1{% endmacro %}",
}
CHILD, PRICED = "model.shop.child", "model.shop.of_priced"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stale")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "shop" / "dbt_packages").mkdir()
    (folder / "shop" / "dbt_packages" / "lib").symlink_to("../../lib")
    parse_and_slice(folder / "shop", clean_environment())
    return folder


@pytest.fixture
def shop(parsed: Path, tmp_path: Path) -> Sliced:
    shutil.copytree(parsed, tmp_path / "copy", symlinks=True)
    return slice_again(tmp_path / "copy" / "shop", clean_environment())


def why_not(shop: Sliced, node: str) -> str | None:
    """Why a task does not start from its slice, or None."""
    start = start_from_slice(
        shop.invocation(node),
        shop.store,
        (DBT, "run"),
        project_dir=shop.root,
        target_path=shop.root,
        environment=shop.environment,
    )
    return None if isinstance(start, SliceStart) else start.because


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(text)


def move(name: str, to: str) -> Callable[[Path], object]:
    return lambda root: (root / name).rename(root / to)


@dataclass(frozen=True)
class Change:
    """A change of a file, and the file that a task must name."""

    node: str
    change: Callable[[Path], object]
    file: str


PARENT = "models/base.sql"
CHANGES = {
    "alias": Change(
        CHILD, write(PARENT, "{{ config(alias='x', tags=['hot'], meta={'team': 'red'}) }} select 1"), PARENT
    ),
    "schema": Change(CHILD, write(PARENT, "{{ config(schema='x', tags=['hot']) }}\nselect 1 as id"), PARENT),
    "database": Change(CHILD, write(PARENT, "{{ config(database='x') }}\nselect 1 as id"), PARENT),
    "a tag that is in its name": Change(CHILD, write(PARENT, "{{ config(meta={'team': 'red'}) }} select 1"), PARENT),
    "config by set": Change(CHILD, write(PARENT, "{% set a = 'x' %}{{ config(alias=a) }} select 1"), PARENT),
    "materialized": Change(CHILD, write(PARENT, "{{ config(materialized='ephemeral') }}\nselect 1 as id"), PARENT),
    "no file": Change(CHILD, move(PARENT, "models/base.txt"), PARENT),
    "another folder": Change(CHILD, move(PARENT, "base.sql"), PARENT),
    "yaml": Change(CHILD, write("models/_base.yml", "models: [{name: base, config: {alias: x}}]"), "models/_base.yml"),
    "project": Change(
        CHILD,
        write("dbt_project.yml", "name: shop\nprofile: shop\nmodels: {shop: {base: {+alias: x}}}"),
        "dbt_project.yml",
    ),
    "latest version": Change(
        PRICED,
        write("models/_priced.yml", "models: [{name: priced, latest_version: 1, versions: [{v: 1}, {v: 2}]}]"),
        "models/_priced.yml",
    ),
    "alias of a version": Change(
        PRICED, write("models/priced_v2.sql", "{{ config(alias='x') }} select 2 as price"), "models/priced_v2.sql"
    ),
    "naming macro": Change(
        CHILD,
        write("macros/names.sql", "{% macro generate_alias_name(a=none, node=none) %}{{ node.name }}{% endmacro %}"),
        "macros/names.sql",
    ),
    "macro of a local package": Change(
        "model.shop.borrows",
        write("../lib/macros/one.sql", "{% macro one() %}2{% endmacro %}"),
        "dbt_packages/lib/macros/one.sql",
    ),
    "project file of a local package": Change(
        CHILD, write("../lib/dbt_project.yml", "name: lib\nversion: '2.0'\n"), "dbt_packages/lib/dbt_project.yml"
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_a_slice_bakes_in(shop: Sliced, name: str) -> None:
    case = CHANGES[name]
    assert why_not(shop, case.node) is None
    case.change(shop.root)
    assert why_not(shop, case.node) == f"{case.file} has changed since the slices were made"


def test_slices_of_a_manifest_that_is_older_than_a_parent(shop: Sliced) -> None:
    (shop.root / PARENT).write_text("{{ config(alias='x') }} select 1 as id")
    again = slice_again(shop.root, shop.environment)
    told = "model.shop.child has none: it reads model.shop.base, and of that its file has changed since"
    assert (why_not(again, CHILD) or "").startswith(told)


def test_the_sql_of_a_parent_is_not_in_its_childs_slice(shop: Sliced) -> None:
    (shop.root / PARENT).write_text(
        "{{ config( tags=['hot'], meta={'team': 'red'} ) }} -- {# a note #}\nselect 2 as id\n"
    )
    assert why_not(shop, CHILD) is None
    assert why_not(shop, "model.shop.base") == f"{PARENT} has changed since the slices were made"
    # What its parent reads does not concern a node.
    assert why_not(shop, "model.shop.grandchild") is None


@pytest.mark.parametrize("kind", ["link", "copy", "linked folder"])
def test_local_packages_however_they_were_installed(parsed: Path, tmp_path: Path, kind: str) -> None:
    shutil.copytree(parsed, tmp_path / "copy", symlinks=True)
    root = tmp_path / "copy" / "shop"
    installed = root / "dbt_packages"
    if kind == "copy":
        (installed / "lib").unlink()
        shutil.copytree(root.parent / "lib", installed / "lib")
    if kind == "linked folder":
        shutil.move(installed, tmp_path / "elsewhere")
        (tmp_path / "elsewhere" / "lib").unlink()
        (tmp_path / "elsewhere" / "lib").symlink_to(root.parent / "lib")
        installed.symlink_to(tmp_path / "elsewhere")
    shop = slice_again(root, clean_environment())
    assert why_not(shop, "model.shop.borrows") is None
    (installed / "lib" / "macros" / "one.sql").write_text("{% macro one() %}2{% endmacro %}")
    assert why_not(shop, "model.shop.borrows") is not None
    # A manifest that is older than the macro is not good for slices either.
    again = slice_again(root, clean_environment())
    assert again.summary.sliced == 0
    assert "the macro `lib.one` has changed since the manifest was made" in dict(again.summary.reasons)


def test_downloaded_packages_are_known_by_the_lock_file(parsed: Path, tmp_path: Path) -> None:
    shutil.copytree(parsed, tmp_path / "copy", symlinks=True)
    root = tmp_path / "copy" / "shop"
    (root / "dbt_packages" / "lib").unlink()
    shutil.copytree(root.parent / "lib", root / "dbt_packages" / "lib")
    (root / "package-lock.yml").write_text("packages: [{package: us/lib, name: lib, version: 1.0.0}]\n")
    shop = slice_again(root, clean_environment())
    (root / "dbt_packages" / "lib" / "macros" / "one.sql").touch()
    assert why_not(shop, "model.shop.borrows") is None
    (root / "package-lock.yml").write_text("packages: [{package: us/lib, name: lib, version: 1.0.1}]\n")
    assert why_not(shop, "model.shop.borrows") == "package-lock.yml has changed since the slices were made"


@pytest.mark.slow
def test_rows_of_the_new_relation_after_a_parent_got_another_name(shop: Sliced) -> None:
    def run(*nodes: str) -> list[str]:
        lines: list[str] = []
        for node in nodes:
            project = DbtProject(shop.root, shop.root, shop.store)
            done = DbtRun.here(shop.invocation(f"model.shop.{node}"), project, environment=shop.environment).run(
                start=datetime(2026, 1, 1, tzinfo=UTC),
                end=datetime(2026, 1, 2, tzinfo=UTC),
                on_line=lambda line: lines.append(line.message),
            )
            assert done.ok, done.summary
        return [line for line in lines if line.startswith("No slice")]

    def rows(name: str) -> list[tuple[int]]:
        with duckdb.connect(str(shop.root / "shop.duckdb"), read_only=True) as opened:
            return opened.execute(f"select * from {name}").fetchall()

    # The naming macro reads tags and meta of the stub, so the child starts from its slice.
    assert run("base", "child") == []
    assert rows("child") == [(1,)]
    (shop.root / PARENT).write_text("{{ config(alias='other') }} select 2 as id")
    assert len(run("base", "child")) == 2
    assert rows("other") == [(2,)]
    assert rows("child") == [(2,)]
    assert rows("base_hot_red") == [(1,)]
