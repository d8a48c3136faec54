"""`dbt-af-k8s plan`."""

import json
import re
from pathlib import Path

from shop_on_disk import Shop, run

from dbt_af_k8s.plan.codec import from_json


def test_table_shows_every_dag_and_what_it_waits_for(shop: Shop) -> None:
    result = shop.run("plan")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "shop dbt 1.11.16",
        "",
        "DAG               Schedule   Runs              Waits for       Target",
        "─" * 69,
        "finance__weekly   @weekly    1 model           sales__daily    dev",
        "                                               sales__hourly",
        "sales__daily      @daily     1 model           sales__hourly   dev",
        "sales__hourly     @hourly    1 model, 1 test   nothing         dev",
        "science__manual   by hand    1 model           nothing         dev",
        "",
        "4 DAGs, 8 tasks.",
    ]


def test_json_is_the_plan_and_nothing_else(shop: Shop) -> None:
    data = shop.json("plan")
    assert list(data)[:6] == ["version", "project", "manifest", "dags", "left_out", "issues"]
    assert data["version"] == 1
    assert len(data["manifest"]["sha256"]) == 64
    plan = from_json(json.dumps(data))
    assert [dag.dag_id for dag in plan.dags] == ["finance__weekly", "sales__daily", "sales__hourly", "science__manual"]
    finance = data["dags"][0]
    assert {task["task_id"] for task in finance["tasks"] if task["kind"] == "wait"} == {
        "wait__orders__all",
        "wait__totals",
    }


def test_tree_shows_every_task(shop: Shop) -> None:
    result = shop.run("plan", "--format", "tree")
    assert result.exit_code == 0
    assert "   └─ forecast (run on dev)\n" in result.stdout
    assert "(waits for sales__hourly.orders__tests, all)" in result.stdout


def test_target_reaches_the_plan(shop: Shop) -> None:
    assert {task.get("target") for dag in shop.json("plan", "--target", "prod")["dags"] for task in dag["tasks"]} == {
        "prod",
        None,
    }


def test_errors_exit_with_1_and_are_told_in_short(shop: Shop) -> None:
    shop.model("bad", folder="broken", schedule="@dialy").write()
    result = shop.run("plan")
    assert result.exit_code == 1
    assert "broken: see check" in result.stdout
    assert "did you mean" in result.stdout.lower()
    assert "1 error; dbt-af-k8s check tells more." in result.stdout
    as_json = shop.run("plan", "--format", "json")
    assert as_json.exit_code == 1
    (issue,) = json.loads(as_json.stdout)["issues"]
    assert issue["severity"] == "error"
    assert issue["node"] == "model.shop.bad"


def test_unreadable_project_exits_with_2(tmp_path: Path) -> None:
    result = run("plan", "--project-dir", str(tmp_path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "not-a-dbt-project" in result.stderr
    assert "Traceback" not in result.stderr
    as_json = run("plan", "--project-dir", str(tmp_path), "--format", "json")
    assert as_json.exit_code == 2
    assert as_json.stderr == ""
    assert json.loads(as_json.stdout)["issues"][0]["code"] == "not-a-dbt-project"


def test_diff_of_the_same_plan(shop: Shop, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(shop.run("plan", "--format", "json").stdout)
    result = shop.run("plan", "--diff", str(old))
    assert result.exit_code == 0
    assert result.stdout == "No change: Airflow would do the same.\n"
    assert shop.json("plan", "--diff", str(old)) == {"version": 1, "project": "shop", "changes": []}


def test_diff_tells_what_changes(shop: Shop, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(shop.run("plan", "--format", "json").stdout)
    shop.model("forecast", "orders", folder="science", schedule="@daily").write()
    result = shop.run("plan", "--diff", str(old))
    assert result.exit_code == 0
    assert "  ~ science__daily.forecast, was in science__manual\n" in result.stdout
    assert "  + science__daily.wait__orders: sales__hourly.orders__tests (last)\n" in result.stdout
    kinds = [change["kind"] for change in shop.json("plan", "--diff", str(old))["changes"]]
    assert "rescheduled" in kinds


def test_diff_with_what_is_no_plan(shop: Shop, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text('{"version": 1, "project"')
    result = shop.run("plan", "--diff", str(old))
    assert result.exit_code == 2
    assert "old.json: This is no plan: the text is not JSON or is cut off" in " ".join(result.stderr.split())
    missing = shop.run("plan", "--diff", str(tmp_path / "none.json"))
    assert missing.exit_code == 2
    assert "No such file" in missing.stderr
    old.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8 text" in " ".join(shop.run("plan", "--diff", str(old)).stderr.split())


def test_dags_that_a_form_starts_stand_below_the_table(shop: Shop) -> None:
    result = shop.settings("strict: false\n").run("plan")
    assert "science__backfill" not in result.stdout.split("DAGs,")[0]
    assert (
        "Started with a form: finance__backfill, sales__backfill, science__backfill, shop_dbt_run_model\n"
        in result.stdout
    )


def test_exit_code_of_a_diff(shop: Shop, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(shop.run("plan", "--format", "json").stdout)
    assert shop.run("plan", "--diff", str(old), "--exit-code").exit_code == 0
    shop.model("refunds").write()
    assert shop.run("plan", "--diff", str(old)).exit_code == 0
    for output_format in ("table", "json", "markdown"):
        assert shop.run("plan", "--diff", str(old), "--exit-code", "--format", output_format).exit_code == 2
    for argv in (["--exit-code"], ["--format", "markdown"]):
        result = shop.run("plan", *argv)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "name the old plan with --diff" in " ".join(result.stderr.split())


def test_a_diff_as_a_comment(shop: Shop, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(shop.run("plan", "--format", "json").stdout)
    shop.model("refunds").model("lost", folder="science", dbt_target="no<b>where").write()
    result = shop.run("plan", "--diff", str(old), "--format", "markdown")
    assert result.exit_code == 1
    assert result.stdout.startswith("### What changes in Airflow for `shop`\n\n")
    assert "DAGs added: 1" in result.stdout
    assert "\n- `sales__daily.refunds: " in result.stdout
    assert "**The project has 1 error:**" in result.stdout
    assert "\n- `models/science/lost.sql, model.shop.lost" in result.stdout
    assert "<b>" not in re.sub("`[^`]*`", "", result.stdout)


def test_a_long_diff_fits_into_a_comment(shop: Shop, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(shop.run("plan", "--format", "json").stdout)
    for number in range(300):
        shop.model(
            f"m{number}_{'x' * 180}", folder=f"domain{number}", schedule="@nonsense" if number % 2 else "@hourly"
        )
    text = shop.write().run("plan", "--diff", str(old), "--format", "markdown").stdout
    assert len(text) < 65_536
    assert re.search(r"\n- and \d+ more\n", text)
