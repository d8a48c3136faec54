"""Which commands start from a slice, which from the saved parse, and when a project counts as changed."""

import os
from pathlib import Path

import pytest
from building import model, project, seed, source, test

from dbt_af_k8s.dbt.selection import select_argument
from dbt_af_k8s.dbt.values import DbtSelection
from dbt_af_k8s.server.command import Command, CommandLimits, check_command
from dbt_af_k8s.server.options import DEFAULT_VERBS
from dbt_af_k8s.server.prepared import Prepared, _terms, fingerprint_of

MANIFEST = project(
    source("raw", "orders"),
    model("orders", "source:raw.orders", folder="sales"),
    model("visits", folder="web"),
    model("totals", "orders", folder="sales"),
    model("shares", "totals", folder="sales"),
    model("middle", "orders", folder="sales"),
    model("late", "visits", "middle", folder="sales"),
    test("both", "orders", "visits"),
    model("twice", folder="web"),
    seed("twice_seed", folder="twice"),
    test("t1", "orders"),
)
PREPARED = Prepared(MANIFEST, Path("parse"), Path("slices"), "", _terms(MANIFEST))
ORDERS = next(node for node in MANIFEST.nodes.values() if node.name == "orders")
TERM = select_argument(DbtSelection(ORDERS.unique_id, "model", ORDERS.package, ORDERS.fqn))


def command(*words: str) -> Command:
    found = check_command(words, CommandLimits(DEFAULT_VERBS, None, 50, 5000))
    assert isinstance(found, Command), found
    return found


def sliced(*words: str) -> list[str] | None:
    found = PREPARED.sliced_nodes(command(*words))
    return None if found is None else [node.unique_id for node in found[1]]


def test_a_node_named_exactly_runs_from_its_slice() -> None:
    assert sliced("run", "--select", TERM) == [ORDERS.unique_id]
    assert sliced("run", "--select", TERM, "--vars", "{a: 1}", "--full-refresh") == [ORDERS.unique_id]
    assert sliced("run", "--select", "visits") == ["model.shop.visits"]
    assert sliced("seed", "--select", "twice_seed") == ["seed.shop.twice_seed"]
    (term,) = [term for term, node in PREPARED.terms.items() if node.resource_type == "source"]
    assert sliced("source", "freshness", "--select", term) == ["source.shop.raw.orders"]


def term(name: str) -> str:
    """The `--select` argument of a node of this name that is no source."""
    nodes = {found.unique_id: found for found in PREPARED.terms.values() if found.resource_type != "source"}
    (node,) = [found for found in nodes.values() if found.fqn[-1] == name]
    return select_argument(node)


def built(*names: str, without: tuple[str, ...] = ()) -> list[str] | None:
    left_out = ("--exclude", *map(term, without)) if without else ()
    return sliced("build", "--select", *map(term, names), *left_out, "--indirect-selection", "empty")


def test_a_build_of_nodes_named_exactly_runs_from_their_slices() -> None:
    ids = ["model.shop.orders", "model.shop.totals", "test.shop.t1"]
    assert built("orders", "totals", "t1") == ids
    # What is done stays in view: it tells the order of the others.
    assert built("orders", "totals", "t1", without=("orders",)) == ids
    assert built("totals", without=("orders",)) is None


def test_slices_that_would_not_keep_the_order_of_the_project_are_not_taken() -> None:
    """`shares` comes after `orders` by `totals`, of which a slice of `shares` has but a stub."""
    assert built("orders", "shares") is None
    assert sliced("run", "--select", term("orders"), term("shares")) is None
    assert built("orders", "totals", "shares") is not None
    # dbt would hold `late` back after `both`, whose parents are all upstream of it; two stubs do not show that.
    assert built("orders", "totals", "both") is not None
    assert built("visits", "both", "late", "middle") is not None
    assert built("visits", "both", "late") is None
    assert built("both", "late") is None
    assert built("t1", "both") is not None


@pytest.mark.parametrize(
    "words",
    [
        ("run",),
        ("run", "--select", "visits+"),
        ("run", "--select", "tag:x"),
        # The name of a folder as well.
        ("run", "--select", "twice"),
        # The name of a source as well, so that `orders` may be more than the model.
        ("run", "--select", "web"),
        ("run", "--select", TERM, "--exclude", "visits"),
        ("run", "--select", TERM, "--selector", "s"),
        # build would run its tests as well; test would find tests of other nodes.
        ("build", "--select", TERM),
        ("test", "--select", "t1"),
        ("seed", "--select", "visits"),
        ("run", "--select", TERM, "--warn-error"),
    ],
)
def test_all_else_does_not(words: tuple[str, ...]) -> None:
    assert sliced(*words) is None


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        (("build",), True),
        (("run", "--select", "tag:x", "--full-refresh", "--threads", "3"), True),
        (("list", "--output", "json"), True),
        (("run", "--vars", "{a: 1}"), False),
        (("run", "--target", "prod"), False),
        (("run", "--warn-error"), False),
        (("parse",), False),
    ],
)
def test_a_saved_parse_counts_where_dbt_would_parse_the_same(words: tuple[str, ...], fits: bool) -> None:
    assert PREPARED.fits(command(*words)) is fits


def test_every_change_of_the_project_is_seen_and_no_other(tmp_path: Path) -> None:
    def write(name: str, text: str = "x") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return fingerprint_of(tmp_path, tmp_path)

    before = write("models/a.sql")
    for name in ("target/manifest.json", "target/compiled/a.sql", "logs/dbt.log", ".git/a.sql", "shop.duckdb"):
        assert write(name) == before
    seen = [before]
    for name in (
        "models/b.sql",
        "models/a.sql",
        "dbt_project.yml",
        "profiles.yml",
        "seeds/s.csv",
        "dbt_packages/p/m.sql",
    ):
        seen.append(write(name, "longer"))
    (tmp_path / "models" / "b.sql").unlink()
    seen.append(fingerprint_of(tmp_path, tmp_path))
    os.utime(tmp_path / "models" / "a.sql", ns=(1, 1))
    seen.append(fingerprint_of(tmp_path, tmp_path))
    assert len(set(seen)) == len(seen)
