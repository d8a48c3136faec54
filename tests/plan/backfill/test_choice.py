"""Which nodes of a domain a selection means."""

import pytest
from building import build_of, model, seed, test

from dbt_af_k8s.errors import FormError
from dbt_af_k8s.plan.backfill.choice import choose_nodes

SHOP = (
    model("visits", folder="web"),
    seed("rates", folder="sales"),
    model("orders", "visits", "seed.shop.rates", tags=("nightly",)),
    model("report", "orders"),
    test("of_orders", "orders"),
    test("of_both", "orders", "report"),
)


def chosen(*models: str, with_tests: bool = False) -> list[str]:
    built = build_of(*SHOP)
    dag = built.plan.dag("sales__backfill")
    members = sorted({node for task in dag.tasks for node in task.nodes})
    found = choose_nodes(built, "sales", members, models, with_tests=with_tests)
    return sorted(key.split(".")[2] for key in found)


@pytest.mark.parametrize(
    ("models", "with_tests", "names"),
    [
        ((), False, ["orders", "rates", "report"]),
        ((), True, ["of_both", "of_orders", "orders", "rates", "report"]),
        (("orders",), True, ["of_both", "of_orders", "orders"]),
        (("report",), True, ["of_both", "report"]),
        (("+report",), False, ["orders", "rates", "report"]),
        (("visits+",), False, ["orders", "report"]),
        (("tag:nightly", "rates"), False, ["orders", "rates"]),
        (("of_both",), True, ["of_both"]),
        (("domain:sales",), False, ["orders", "rates", "report"]),
    ],
)
def test_what_a_selection_chooses(models: tuple[str, ...], with_tests: bool, names: list[str]) -> None:
    assert chosen(*models, with_tests=with_tests) == names


def test_every_term_that_selects_nothing_is_told() -> None:
    with pytest.raises(FormError) as caught:
        chosen("visits", "reprot", "+", "orders", "tag:none")
    assert caught.value.problems == (
        "models: `visits` selects nothing in domain `sales`, only nodes of `web`.",
        "models: `reprot` selects nothing in domain `sales`; did you mean `report`?",
        (
            "models: '+' is not a selection. Write a name, or `method:value`, with `+` or `@` around it, for example "
            "`+orders` or `tag:nightly`."
        ),
        "models: `tag:none` selects nothing in domain `sales`.",
    )


def test_tests_alone_need_the_switch() -> None:
    with pytest.raises(FormError, match="models selects tests only: switch `with_tests` on, or name models"):
        chosen("of_both")
