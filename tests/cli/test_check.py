"""`dbt-af-k8s check`."""

import json
import os
from pathlib import Path

from shop_on_disk import Shop, run


def test_nothing_wrong(shop: Shop) -> None:
    result = shop.run("check")
    assert result.exit_code == 0
    assert result.stdout == "✓ Nothing wrong in shop: 5 nodes in 4 DAGs.\n"
    assert shop.json("check") == {"version": 1, "project": "shop", "errors": 0, "warnings": 0, "issues": []}


def test_everything_at_once_each_with_cause_and_fix(shop: Shop) -> None:
    shop.model("one", folder="a", schedule="@dialy").model("two", folder="b", dbt_target="prdo").write()
    result = shop.run("check")
    assert result.exit_code == 1
    assert result.stderr == ""
    assert "model.shop.one" in result.stdout
    assert "model.shop.two" in result.stdout
    assert "`prod`" in result.stdout
    assert result.stdout.count("→") == 2
    assert result.stdout.endswith("2 errors\n")


def test_json_has_every_issue(shop: Shop) -> None:
    shop.model("one", folder="a", schedule="@dialy").model("two", folder="b", dbt_target="prdo").write()
    result = shop.run("check", "--format", "json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert (data["errors"], data["warnings"]) == (2, 0)
    assert [issue["node"] for issue in data["issues"]] == ["model.shop.one", "model.shop.two"]
    assert all(issue["fix"] and issue["message"] for issue in data["issues"])


def test_same_fault_in_many_places_is_told_once(shop: Shop) -> None:
    for number in range(10):
        shop.model(f"m{number}", folder="a", schedule="@dialy")
    result = shop.write().run("check")
    assert result.stdout.count("→") == 1
    assert result.stdout.count("  at models/a/m") == 1
    assert "The same goes for 9 other nodes: `model.shop.m1`," in " ".join(result.stdout.split())
    assert result.stdout.endswith("1 error\n")


def test_same_fault_in_a_few_places_names_each(shop: Shop) -> None:
    for number in range(3):
        shop.model(f"m{number}", folder="a", schedule="@dialy")
    result = shop.write().run("check")
    assert result.stdout.count("→") == 1
    assert result.stdout.count("  at models/a/m") == 3
    assert result.stdout.endswith("3 errors\n")


def test_warnings_alone_are_fine(shop: Shop) -> None:
    (shop.root / "profiles.yml").unlink()
    result = shop.run("check")
    assert result.exit_code == 0
    assert "1 warning" in result.stdout


def test_unreadable_manifest(shop: Shop) -> None:
    (shop.root / "target" / "manifest.json").write_text("{")
    result = shop.run("check")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "1 error" in result.stderr
    as_json = shop.run("check", "--format", "json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["errors"] == 1


def test_names_cannot_write_to_the_terminal(shop: Shop) -> None:
    shop.model("evil", folder="a", dbt_target="\x1b[31m[bold red]@x[/]\\").write()
    result = shop.run("check")
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "[bold red]@x[/]" in result.stdout


def test_a_settings_file_that_is_not_there(shop: Shop, tmp_path: Path) -> None:
    result = shop.run("check", "--config", str(tmp_path / "none.yml"))
    assert result.exit_code in (1, 2)
    assert "no such settings file" in (result.stdout + result.stderr)


def test_unknown_option(shop: Shop) -> None:
    result = run("check", "--projectdir", str(shop.root))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "--project-dir" in result.stderr


def test_a_manifest_older_than_the_project_is_told(shop: Shop) -> None:
    folder = shop.root / "models" / "sales"
    folder.mkdir(parents=True)
    for name in ("orders.sql", "new.sql"):
        (folder / name).write_text("select 1")
        os.utime(folder / name, (1, 1))
    for name in ("dbt_project.yml", "target/manifest.json"):
        os.utime(shop.root / name, (1_000, 1_000))
    assert shop.json("check")["issues"] == []
    os.utime(folder / "new.sql", (2_000, 2_000))
    (issue,) = shop.json("check")["issues"]
    assert (issue["code"], issue["severity"]) == ("stale-manifest", "warning")
    assert "models/sales/new.sql" in issue["message"]


def test_a_mistake_is_told_where_it_stands(shop: Shop) -> None:
    key = "model.shop.lost"
    shop.model("lost", folder="science", dbt_target="nowhere")
    shop.nodes[key]["patch_path"] = "shop://models/_models.yml"
    shop.write()
    (shop.root / "models").mkdir(exist_ok=True)
    (shop.root / "models" / "_models.yml").write_text(
        "models:\n  - name: lost\n    config:\n      meta:\n        dbt_target: nowhere\n"
    )
    issues = json.loads(shop.run("check", "--format", "json").stdout)["issues"]
    (issue,) = [issue for issue in issues if issue["code"] == "unknown-target"]
    assert (issue["file"], issue["line"], issue["column"]) == ("models/_models.yml", 5, 9)
    assert "models/_models.yml:5:9" in shop.run("check").stdout


def test_a_manifest_that_is_cut_is_told_with_what_the_dags_do_meanwhile(shop: Shop) -> None:
    assert shop.run("compile").exit_code == 0
    manifest = shop.root / "target" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-5])
    found = shop.run("check", "--format", "json")
    assert found.exit_code == 2
    truncated, last = json.loads(found.stdout)["issues"]
    assert (truncated["code"], last["code"]) == ("manifest-truncated", "last-good-plan")
    assert "the DAGs go on with the plan made at" in last["message"]
    text = shop.run("check")
    assert text.exit_code == 2
    assert "last-good-plan" in text.stderr


def test_runs_before_the_first_run_of_what_they_read_are_told(shop: Shop) -> None:
    shop.model("daily", folder="raw").model("hourly", "daily", folder="web", schedule="@hourly")
    shop.settings("dags: {kinds: [], start_date: '2199-01-01'}\n").write()
    (issue,) = [each for each in shop.json("check")["issues"] if each["code"] == "before-first-run"]
    assert issue["severity"] == "warning"
    assert "The first run of DAG `raw__daily` begins at 2199-01-02 00:00 UTC" in issue["message"]
    assert "`web__hourly` are skipped" in issue["message"]


def test_layers_are_told_with_the_lines_to_copy(tmp_path: Path) -> None:
    shop = Shop(tmp_path).model("stg", folder="staging/sales").model("orders", "stg", folder="marts/sales").write()
    for command in ("check", "plan"):
        said = shop.run(command).output
        assert "as it is:             2 DAGs, 1 wait, 0 circles\n" in said
        assert "by the second folder: 1 DAG, 0 waits, 0 circles  domains: {folder_depth: 2}\n" in said
    shop.json("check"), shop.json("plan")
    shop.settings("domains: {folder_depth: 2}\n")
    assert "Hint" not in shop.run("check").output
