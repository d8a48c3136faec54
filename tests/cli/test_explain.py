"""`dbt-af-k8s explain`."""

from shop_on_disk import Shop


def test_says_where_a_node_went_and_why(shop: Shop) -> None:
    result = shop.run("explain", "totals")
    assert result.exit_code == 0
    text = result.stdout
    assert text.startswith("model.shop.totals  models/sales/totals.sql\nruns as totals in sales__daily\n")
    for what in ("domain", "schedule", "target", "runner", "waits for"):
        assert f"\n{what} " in text
    assert "orders__tests of sales__hourly" in text


def test_json(shop: Shop) -> None:
    (node,) = shop.json("explain", "model.shop.totals")["nodes"]
    assert (node["dag_id"], node["task_id"], node["left_out"]) == ("sales__daily", "totals", None)
    assert {"what", "value", "rule"} == set(node["reasons"][0])


def test_task_id(shop: Shop) -> None:
    (node,) = shop.json("explain", "orders__tests")["nodes"]
    assert node["node"] == "test.shop.unique_orders"


def test_a_task_without_a_node(shop: Shop) -> None:
    wait = next(
        task["task_id"]
        for dag in shop.json("plan")["dags"]
        if dag["dag_id"] == "sales__daily"
        for task in dag["tasks"]
        if task["kind"] == "wait"
    )
    (found,) = shop.json("explain", f"sales__daily.{wait}")["nodes"]
    assert (found["node"], found["resource_type"], found["dag_id"]) == (wait, "wait", "sales__daily")
    told = {reason["what"]: reason["value"] for reason in found["reasons"]}
    assert told["waits for"] == "orders__tests of sales__hourly"
    assert told["comes before"] == "totals"
    assert found in shop.json("explain", wait)["nodes"]
    assert shop.run("explain", f"sales__hourly.{wait}").exit_code == 2


def test_a_task_of_a_node_named_with_its_dag(shop: Shop) -> None:
    (node,) = shop.json("explain", "sales__daily.totals")["nodes"]
    assert node["node"] == "model.shop.totals"


def test_several_nodes_are_listed(shop: Shop) -> None:
    result = shop.test("not_null_orders", "orders").write().run("explain", "orders__tests")
    assert result.exit_code == 0
    assert result.stdout.startswith("2 are called orders__tests; ask for one by its unique_id, or by DAG and task:\n")
    assert "test.shop.not_null_orders" in result.stdout


def test_unknown_node_names_the_closest(shop: Shop) -> None:
    result = shop.run("explain", "totls")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "No node and no task is called `totls`." in result.stderr
    assert "`totals`" in result.stderr


def test_broken_node_tells_its_error(shop: Shop) -> None:
    result = shop.model("bad", folder="broken", schedule="@dialy").write().run("explain", "bad")
    assert result.exit_code == 0
    assert "@dialy" in result.stdout
    assert "has no task" in result.stdout


def test_an_enable_window_is_told(empty_shop: Shop) -> None:
    empty_shop.model("sale", enable_from_dttm="2026-03-01T00:00:00+01:00").model("orders").write()
    said = " ".join(empty_shop.run("explain", "sale").stdout.split())
    assert "enabled from 2026-02-28 23:00 UTC `enable_from_dttm` of the node" in said
    assert "enabled" not in empty_shop.run("explain", "orders").stdout
