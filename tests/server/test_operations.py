"""What `run-operation` may do with a project: the version of our package, and the SQL of a TTL."""

import json
from pathlib import Path

import pytest

from dbt_af_k8s.dbt.maintenance_package import install_package, is_package_current
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.manifest.values import Manifest, Node
from dbt_af_k8s.server.operations import has_predicates, installed_problem, predicate_problems, root_macro

PROJECT = 'name: shop\nversion: "1"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    return tmp_path


def test_the_package_must_be_that_of_this_version(project: Path) -> None:
    assert "package install" in str(installed_problem(project))
    folder = install_package(project)
    assert is_package_current(project)
    assert installed_problem(project) is None
    more = folder / "macros" / "more.sql"
    more.write_text("{% macro vacuum(model) %}{% endmacro %}")
    assert "package install" in str(installed_problem(project))
    more.unlink()
    ttl = folder / "macros" / "ttl.sql"
    ttl.write_text(ttl.read_text() + "\n")
    assert "package install" in str(installed_problem(project))


def test_a_macro_of_the_project_is_called_by_its_whole_name(project: Path, tmp_path: Path) -> None:
    assert root_macro("grant", project) == "shop.grant"
    assert root_macro("dbt_af_k8s.ttl", project) == "dbt_af_k8s.ttl"
    with pytest.raises(UsageError, match=r"dbt_project\.yml"):
        root_macro("grant", tmp_path / "gone")


def node(name: str, **settings: object) -> Node:
    unique_id = f"model.shop.{name}"
    return Node(unique_id, "model", name, "shop", f"{name}.sql", f"models/{name}.sql", ("shop", name), **settings)


def test_the_sql_of_a_ttl_is_what_the_node_says() -> None:
    ttl = {"maintenance": {"ttl": {"key": "at", "expiration_timeout": 3, "additional_predicate": " kind = 'x' "}}}
    forced = {"maintenance": {"ttl": {"force_predicate": "done"}}}
    nodes = (node("a", meta={"dbt_af_k8s": ttl}), node("b", meta=forced), node("c", config=forced), node("d"))
    manifest = Manifest("", 12, "1.11", "shop", None, {each.unique_id: each for each in nodes})

    def problems(name: str, **sql: str) -> str:
        return " ".join(predicate_problems(json.dumps({"model": f"model.shop.{name}", **sql}), manifest))

    assert problems("a", additional_predicate="kind = 'x'") == ""
    assert problems("b", force_predicate="done") == ""
    assert problems("c", force_predicate="done") == ""
    for name in ("a", "d"):
        assert "`force_predicate` is SQL" in problems(name, force_predicate="done")
    assert "`additional_predicate` is SQL" in problems("a", additional_predicate="kind = 'x' or 1 = 1")
    assert "no node" in problems("gone", force_predicate="done")
    assert not has_predicates('{"model": "model.shop.a", "force_predicate": null}')
    assert has_predicates('{"force_predicate": "done"}')
