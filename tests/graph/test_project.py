"""The graph of what dbt builds: parents through ephemeral models, depth, cycles, size."""

import time

import pytest
from building import model, project, seed, source, test
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.graph.project import ProjectGraph


def test_ephemeral_models_are_passed_through_however_deep() -> None:
    manifest = project(
        seed("raw"),
        source("shop", "events"),
        model("e1", "seed.shop.raw", "source:shop.events", materialized="ephemeral"),
        model("e2", "e1", "plain", materialized="ephemeral"),
        model("plain"),
        model("end", "e2"),
    )
    graph = ProjectGraph(manifest)
    assert graph.parents("model.shop.end") == ("model.shop.plain", "seed.shop.raw")
    assert graph.sources("model.shop.end") == ("source.shop.shop.events",)
    assert graph.children("seed.shop.raw") == ("model.shop.end",)
    assert graph.ephemeral_ancestors("model.shop.end") == ("model.shop.e1", "model.shop.e2")
    assert graph.order == ("model.shop.plain", "seed.shop.raw", "model.shop.end")


def test_depth_counts_ephemeral_models_and_not_sources() -> None:
    graph = ProjectGraph(
        project(source("s", "t"), model("a", "source:s.t"), model("e", "a", materialized="ephemeral"), model("b", "e"))
    )
    assert [graph.depth(f"model.shop.{name}") for name in "aeb"] == [0, 1, 2]


def test_a_cycle_is_told_with_its_path_and_the_rest_stands() -> None:
    graph = ProjectGraph(project(model("a", "c"), model("b", "a"), model("c", "b"), model("free"), model("after", "c")))
    assert {issue.node for issue in graph.issues} == {"model.shop.a", "model.shop.b", "model.shop.c"}
    assert "model.shop.a -> model.shop.b -> model.shop.c -> model.shop.a" in graph.issues[0].message
    assert "model.shop.free" in graph.order
    assert graph.parents("model.shop.after") == ("model.shop.c",)


def test_a_model_that_refs_itself_is_a_cycle() -> None:
    assert [issue.code for issue in ProjectGraph(project(model("a", "a"))).issues] == ["cycle"]


def test_a_parent_that_the_manifest_lacks_is_told() -> None:
    (issue,) = ProjectGraph(project(model("a", "gone"))).issues
    assert (issue.code, issue.node) == ("dangling-parent", "model.shop.a")


def test_chains_of_ten_thousand_models_need_no_recursion() -> None:
    chain = [model("m0"), *(model(f"m{i}", f"m{i - 1}") for i in range(1, 10_000))]
    graph = ProjectGraph(project(*chain))
    assert graph.depth("model.shop.m9999") == 9_999


def test_chains_of_ephemeral_models_need_no_recursion() -> None:
    chain = [model("m0"), *(model(f"m{i}", f"m{i - 1}", materialized="ephemeral") for i in range(1, 5_000))]
    graph = ProjectGraph(project(*chain, model("end", "m4999")))
    assert graph.parents("model.shop.end") == ("model.shop.m0",)


def test_a_model_with_two_thousand_children() -> None:
    started = time.process_time()
    graph = ProjectGraph(project(model("root"), *(model(f"m{i}", "root") for i in range(2_000))))
    assert len(graph.children("model.shop.root")) == 2_000
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("steps", "expected"), [(None, "abcd"), (1, "cd"), (0, "d")])
def test_reachable_upstream(steps: int | None, expected: str) -> None:
    graph = ProjectGraph(project(model("a"), model("b", "a"), model("c", "b"), model("d", "c")))
    found = graph.reachable(["model.shop.d"], upstream=True, steps=steps)
    assert found == {f"model.shop.{name}" for name in expected}


@given(
    st.integers(1, 25).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))), st.randoms())
    )
)
def test_order_puts_parents_first_and_shuffling_changes_nothing(drawn) -> None:
    size, pairs, randoms = drawn
    refs: dict[int, list[str]] = {i: [] for i in range(size)}
    for up, down in pairs:
        if up < down:
            refs[down].append(f"m{up}")
    models = [model(f"m{i}", *refs[i], materialized="ephemeral" if i % 4 == 3 else "view") for i in range(size)]
    graph = ProjectGraph(project(*models))
    place = {key: index for index, key in enumerate(graph.order)}
    assert all(place[parent] < place[key] for key in graph.order for parent in graph.parents(key))
    shuffled = list(models)
    randoms.shuffle(shuffled)
    manifest = project(*models)
    object.__setattr__(manifest, "nodes", {node.unique_id: node for node in shuffled})
    again = ProjectGraph(manifest)
    assert again.order == graph.order
    assert all(again.parents(key) == graph.parents(key) for key in graph.order)


def test_tests_are_no_part_of_the_graph() -> None:
    graph = ProjectGraph(project(model("a"), test("t", "a")))
    assert graph.order == ("model.shop.a",)
    assert "test.shop.t" not in graph
