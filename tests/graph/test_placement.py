"""Tests are placed with the last of their parents."""

from dataclasses import replace
from graphlib import TopologicalSorter

from building import model, project, seed, source, test
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.graph.placement import TestSize, place_tests
from dbt_af_k8s.graph.project import ProjectGraph


def placed(*entries, manual=frozenset()):
    manifest = project(*entries)
    return place_tests(manifest, ProjectGraph(manifest), manual)


def declared(name, with_, *refs, **rest):
    """A generic test of one node that reads others, too."""
    return replace(test(name, with_, *refs, **rest), attached_node=with_ if "." in with_ else f"model.shop.{with_}")


def test_the_deepest_parent_takes_the_test() -> None:
    found = placed(model("z"), model("a", "z"), test("t", "a", "z"))["test.shop.t"]
    assert found.beside == "model.shop.a"
    assert found.parents == ("model.shop.a", "model.shop.z")


def test_at_equal_depth_the_larger_id_takes_it() -> None:
    assert placed(model("a"), model("b"), test("t", "a", "b"))["test.shop.t"].beside == "model.shop.b"


def test_at_equal_depth_the_node_that_it_is_declared_with_goes_before_the_larger_id() -> None:
    reads_a_source = model("visits", "source:raw.events")
    compared = declared("t", "visits", "seed.shop.countries")
    entries = [source("raw", "events"), seed("countries"), reads_a_source, compared]
    assert placed(*entries)["test.shop.t"].beside == "model.shop.visits"
    assert placed(*entries, declared("u", "seed.shop.countries", "visits", tags=("@medium",)))[
        "test.shop.u"
    ].beside == ("seed.shop.countries")


def test_a_deeper_node_goes_before_the_one_that_it_is_declared_with() -> None:
    found = placed(model("a"), model("z", "a"), declared("t", "a", "z"))
    assert found["test.shop.t"].beside == "model.shop.z"


def test_a_test_declared_with_an_ephemeral_model_is_placed_with_what_stands_behind_it() -> None:
    behind = model("e", "a", materialized="ephemeral")
    assert placed(model("a"), model("b"), behind, declared("t", "e", "b"))["test.shop.t"].beside == "model.shop.a"


def test_a_scheduled_node_goes_before_a_manual_one() -> None:
    entries = [model("a"), model("m", "a"), model("z", "m"), declared("t", "m", "a"), test("u", "m", "z")]
    assert placed(*entries, manual={"model.shop.m", "model.shop.z"})["test.shop.t"].beside == "model.shop.a"
    assert placed(*entries, manual={"model.shop.z"})["test.shop.u"].beside == "model.shop.m"
    assert placed(*entries, manual={"model.shop.m", "model.shop.z"})["test.shop.u"].beside == "model.shop.z"


def test_two_nodes_tested_against_each_other_make_no_circle() -> None:
    entries = [model("a"), model("b"), model("c"), declared("t", "a", "b"), declared("u", "b", "a")]
    assert {found.beside for found in placed(*entries).values()} == {"model.shop.b"}
    # What blocks nothing needs no way out, nor does what is tested against a circle from outside.
    more = [declared("m", "a", "b", tags=("@medium",)), declared("v", "c", "a", "b")]
    found = placed(*entries, *more)
    assert found["test.shop.m"].beside == "model.shop.a"
    assert found["test.shop.v"].beside == "model.shop.c"


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


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 8), min_size=1, max_size=4), st.integers(0, 3)), max_size=20),
    st.sets(st.integers(0, 8)),
)
def test_tests_never_hold_nodes_back_in_a_circle(tests: list[tuple[list[int], int]], by_hand: set[int]) -> None:
    models = [model(f"m{i}", *(f"m{j}" for j in range(i) if (i + j) % 5 == 0)) for i in range(9)]
    declares = [declared(f"t{n}", *(f"m{i}" for i in on[pick:] + on[:pick])) for n, (on, pick) in enumerate(tests)]
    manifest = project(*models, *declares)
    graph = ProjectGraph(manifest)
    manual = {f"model.shop.m{i}" for i in by_hand}
    before = {key: {*graph.parents(key)} for key in graph.order}
    for placement in place_tests(manifest, graph, manual).values():
        assert placement.beside in placement.parents
        assert placement.beside not in manual or manual.issuperset(placement.parents)
        # Nothing waits for a manual node but what is manual, too.
        before[placement.beside].update(
            parent for parent in placement.parents if (parent in manual) == (placement.beside in manual)
        )
    for side in (manual, before.keys() - manual):
        TopologicalSorter({key: before[key] & side - {key} for key in side}).prepare()
