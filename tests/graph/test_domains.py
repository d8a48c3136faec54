"""A node's domain and the rule that gave it."""

from dataclasses import replace

import pytest
from building import model, project, seed, source, test

from dbt_af_k8s.config.dbt_project import RESOURCE_PATHS
from dbt_af_k8s.config.settings import DomainSettings
from dbt_af_k8s.graph.domains import ResourceRoots, choose_domain, domain_graph, upstream_domains
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Node

NOWHERE = ResourceRoots("shop", RESOURCE_PATHS, [])


def node(resource: str, path: str, file: str, package: str = "shop") -> Node:
    return Node(f"{resource}.{package}.x", resource, "x", package, path, file, (package, "x"))


@pytest.mark.parametrize(
    ("resource", "path", "file", "folders"),
    [
        ("model", "sales/core/a.sql", "models/sales/core/a.sql", ("sales", "core")),
        ("model", "a.sql", "models/a.sql", ()),
        ("seed", "raw/s.csv", "seeds/raw/s.csv", ("raw",)),
        ("snapshot", "sales/snap.sql", "snapshots/sales/snap.sql", ("sales",)),
        ("snapshot", "sales/y.yml/snap2.sql", "snapshots/sales/y.yml", ("sales",)),
        ("snapshot", "y.yml/snap2.sql", "snapshots/y.yml", ()),
        ("test", "not_null_a_id.sql", "models/sales/m.yml", ("sales",)),
        ("test", "sales/singular.sql", "tests/sales/singular.sql", ("sales",)),
        ("test", "singular.sql", "tests/singular.sql", ()),
    ],
)
def test_folders_as_dbt_writes_them(resource: str, path: str, file: str, folders: tuple[str, ...]) -> None:
    roots = ResourceRoots("shop", RESOURCE_PATHS, [model("a", folder="web"), model("b", folder="web", kind="seed")])
    assert roots.folders_of(node(resource, path, file)) == folders


def test_without_a_folder_the_project_or_package_names_the_domain() -> None:
    choice = choose_domain(node("model", "a.sql", "models/a.sql"), None, DomainSettings(), "shop", NOWHERE)
    assert (choice.domain, choice.because) == ("shop", "it lies in no folder, so it takes the name of its project")
    choice = choose_domain(node("model", "a.sql", "models/a.sql", "lib"), None, DomainSettings(), "shop", NOWHERE)
    assert (choice.domain, choice.because) == ("lib", "it comes from package `lib`")


@pytest.mark.parametrize(
    ("sources", "own", "group", "expected"),
    [
        (("folder",), "m", "g", "sales"),
        (("group", "meta", "folder"), "m", "g", "g"),
        (("group", "meta", "folder"), "m", None, "m"),
        (("group", "meta", "folder"), None, None, "sales"),
        (("meta",), None, "g", "shop"),
    ],
)
def test_the_first_source_that_names_one_wins(sources, own, group, expected) -> None:
    entry = model("a", folder="sales/core", group=group)
    assert choose_domain(entry, own, DomainSettings(sources), "shop", NOWHERE).domain == expected


@pytest.mark.parametrize(("depth", "expected"), [(1, "a"), (2, "b"), (3, "c"), (9, "c")])
def test_a_folder_deeper_down(depth: int, expected: str) -> None:
    assert (
        choose_domain(model("m", folder="a/b/c"), None, DomainSettings(folder_depth=depth), "shop", NOWHERE).domain
        == expected
    )


def test_a_package_is_a_domain_of_its_own_or_lies_in_folders_like_the_project() -> None:
    staged = model("a", folder="staging/raw", package="lib")
    sunk = model("b", folder="", package="lib")
    roots = ResourceRoots("shop", RESOURCE_PATHS, [staged, sunk])
    by_folder = DomainSettings(packages="folder")
    assert choose_domain(staged, None, DomainSettings(), "shop", roots).domain == "lib"
    assert choose_domain(staged, None, by_folder, "shop", roots).domain == "staging"
    assert choose_domain(staged, "m", DomainSettings(("meta", "folder")), "shop", roots).domain == "m"
    choice = choose_domain(sunk, None, by_folder, "shop", roots)
    assert (choice.domain, choice.because) == ("lib", "it lies in no folder, so it takes the name of its package")


@pytest.mark.parametrize(
    ("paths", "file", "domain"),
    [
        (["models", "../../common"], "../../common/sources.yml", "shop"),
        (["models", "../../common"], "../../common/raw/sources.yml", "raw"),
        (["models", "./../../common/"], "../../common/raw/sources.yml", "raw"),
        (["models"], "../../common/sources.yml", "common"),
        (["."], "raw/sources.yml", "raw"),
        (["."], "sources.yml", "shop"),
        (["dbt", "dbt/models"], "dbt/models/raw/s.yml", "raw"),
    ],
)
def test_a_domain_is_a_folder_below_what_the_project_names(paths: list[str], file: str, domain: str) -> None:
    roots = ResourceRoots("shop", paths, [])
    entry = replace(source("web", "events"), file=file, path=file)
    assert choose_domain(entry, None, DomainSettings(), "shop", roots).domain == domain


def test_domains_may_depend_on_each_other_in_a_circle() -> None:
    manifest = project(
        seed("r", folder="raw"),
        model("a", "seed.shop.r", folder="x"),
        model("b", "a", folder="y"),
        model("c", "b", folder="x"),
    )
    graph = ProjectGraph(manifest)
    domain_of = {key: manifest.nodes[key].path.split("/")[0] for key in graph.order}
    assert sorted(domain_graph(graph, domain_of).edges) == [("raw", "x"), ("x", "y"), ("y", "x")]
    assert upstream_domains(graph, domain_of) == {"raw": (), "x": ("raw", "y"), "y": ("x",)}


def test_tests_do_not_draw_edges_between_domains() -> None:
    manifest = project(model("a", folder="x"), model("b", folder="y"), test("t", "a", "b"))
    graph = ProjectGraph(manifest)
    assert upstream_domains(graph, {"model.shop.a": "x", "model.shop.b": "y"}) == {"x": (), "y": ()}


def test_resource_paths_several_folders_deep() -> None:
    """One service of several in one repository: `model-paths: [shop/dbt/models]`."""
    deep = Node(
        "model.shop.a", "model", "a", "shop", "sales/core/a.sql", "shop/dbt/models/sales/core/a.sql", ("shop", "a")
    )
    roots = ResourceRoots("shop", ["shop/dbt/models/"], [deep])
    assert roots.folders_of(deep) == ("sales", "core")
    assert roots.folders_of(node("test", "not_null_a.sql", "shop/dbt/models/sales/a.yml")) == ("sales",)
    raw = source("web", "events")
    assert roots.folders_of(replace(raw, file="shop/dbt/models/web/sources.yml")) == ("web",)
    assert NOWHERE.folders_of(replace(raw, file="models/web/sources.yml")) == ("web",)
