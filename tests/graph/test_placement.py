"""Tests are placed with the last of their parents."""

from building import model, project, source, test
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.graph.placement import TestSize, place_tests
from dbt_af_k8s.graph.project import ProjectGraph


def placed(*entries):
    manifest = project(*entries)
    return place_tests(manifest, ProjectGraph(manifest))


def test_the_deepest_parent_takes_the_test() -> None:
    found = placed(model("z"), model("a", "z"), test("t", "a", "z"))["test.shop.t"]
    assert found.beside == "model.shop.a"
    assert found.parents == ("model.shop.a", "model.shop.z")


def test_at_equal_depth_the_larger_id_takes_it() -> None:
    assert placed(model("a"), model("b"), test("t", "a", "b"))["test.shop.t"].beside == "model.shop.b"


def test_ephemeral_parents_are_replaced_by_theirs() -> None:
    found = placed(model("a"), model("e", "a", materialized="ephemeral"), test("t", "e"))["test.shop.t"]
    assert found.beside == "model.shop.a"


def test_a_test_on_sources_alone_has_no_node_beside_it() -> None:
    found = placed(
        source("s", "x"), model("e", "source:s.x", materialized="ephemeral"), test("t", "e"), test("u", "source:s.x")
    )
    assert found["test.shop.t"].source == found["test.shop.u"].source == "source.shop.s.x"
    assert found["test.shop.t"].beside is None
    assert placed(test("orphan"))["test.shop.orphan"].source is None


def test_sizes_come_from_tags() -> None:
    tags = {"plain": (), "s": ("@small",), "m": ("@medium", "nightly"), "l": ("@large",), "both": ("@medium", "@large")}
    found = placed(model("a"), *(test(name, "a", tags=tag) for name, tag in tags.items()))
    sizes = {key.rsplit(".", 1)[1]: placement.size for key, placement in found.items()}
    assert sizes == {
        "plain": TestSize.SMALL,
        "s": TestSize.SMALL,
        "m": TestSize.MEDIUM,
        "l": TestSize.LARGE,
        "both": TestSize.LARGE,
    }
    assert [key for key, placement in found.items() if placement.blocks] == ["test.shop.plain", "test.shop.s"]


@given(st.lists(st.lists(st.integers(0, 14), max_size=4), max_size=20))
def test_a_test_never_points_backwards(tests: list[list[int]]) -> None:
    models = [model(f"m{i}", *(f"m{j}" for j in range(i) if (i + j) % 3 == 0)) for i in range(15)]
    manifest = project(*models, *(test(f"t{n}", *(f"m{i}" for i in on)) for n, on in enumerate(tests)))
    graph = ProjectGraph(manifest)
    for placement in place_tests(manifest, graph).values():
        if placement.beside is not None:
            assert all(graph.rank(parent) <= graph.rank(placement.beside) for parent in placement.parents)
