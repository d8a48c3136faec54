"""What other domains would make of a project whose folders are layers."""

from building import build_of, model, seed

from dbt_af_k8s.plan.layers import domain_layouts
from dbt_af_k8s.plan.values import TaskKind

#: Two subjects in two layers, and a mart that staging reads: the layers read each other.
LAYERED = [
    seed("rates", folder="raw"),
    model("stg_orders", "seed.shop.rates", folder="staging/sales", group="sales"),
    model("orders", "stg_orders", folder="marts/sales", group="sales"),
    model("stg_visits", "orders", folder="staging/web", group="web"),
    model("visits", "stg_visits", folder="marts/web", group="web"),
]


def test_each_way_is_counted_as_it_is_planned() -> None:
    found = {layout.name: layout for layout in domain_layouts(build_of(*LAYERED))}
    assert list(found) == ["as it is", "by the second folder", "by dbt group", "one domain"]
    assert {name: (each.dags, each.waits, each.circles) for name, each in found.items()} == {
        "as it is": (3, 4, 1),
        "by the second folder": (3, 2, 0),
        "by dbt group": (3, 2, 0),
        "one domain": (1, 0, 0),
    }


def test_the_lines_to_copy_make_what_was_counted() -> None:
    written = {
        "domains: {folder_depth: 2}": {"folder_depth": 2},
        "domains: {from: [group, folder]}": {"from": ["group", "folder"]},
        "domains: {from: meta}": {"from": "meta"},
    }
    layouts = domain_layouts(build_of(*LAYERED))
    assert [layout.lines for layout in layouts[1:]] == list(written)
    for layout in layouts[1:]:
        plan = build_of(*LAYERED, settings={"domains": written[layout.lines], "dags": {"kinds": []}}).plan
        waits = sum(task.kind is TaskKind.WAIT for dag in plan.dags for task in dag.tasks)
        assert (len(plan.dags), waits) == (layout.dags, layout.waits)


def test_what_lies_in_no_folder_is_a_layer_where_it_and_a_layer_read_each_other() -> None:
    root = [
        seed("rates", folder=""),
        model("stg", "seed.shop.rates", folder="staging"),
        model("mart", "stg", folder=""),
    ]
    found = {layout.name: layout for layout in domain_layouts(build_of(*root))}
    assert (found["as it is"].dags, found["as it is"].circles) == (2, 1)
    assert (found["one domain"].dags, found["one domain"].waits) == (1, 0)
    assert domain_layouts(build_of(model("mart", "stg", folder=""), model("stg", folder="staging"))) == ()


def test_there_is_nothing_to_say_of_other_folders_or_of_settings_that_are_made() -> None:
    assert domain_layouts(build_of(model("a", folder="sales"), model("b", "a", folder="staging"))) == ()
    assert domain_layouts(build_of(*LAYERED, settings={"domains": {"folder_depth": 2}})) == ()
    assert domain_layouts(build_of(*LAYERED, settings={"domains": {"from": ["group", "folder"]}})) == ()
    lib = [model("x", folder="staging", package="lib"), model("y", folder="marts", package="lib")]
    assert domain_layouts(build_of(model("a"), *lib, settings={"domains": {"packages": "folder"}})) == ()
