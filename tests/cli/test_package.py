"""`dbt-af-k8s package install`."""

import json

from shop_on_disk import Shop, run

from dbt_af_k8s.dbt.maintenance_package import package_path

UPKEEP = {"vacuum_table": True}


def test_installs_the_macros_and_says_what_is_next(shop: Shop) -> None:
    result = shop.run("package", "install")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "✓ dbt_packages/dbt_af_k8s has the maintenance macros.",
        "Next: `dbt parse`, so that the manifest has them, too.",
    ]
    ours = sorted(path.relative_to(package_path()) for path in package_path().rglob("*.sql"))
    assert ours
    assert all((shop.root / "dbt_packages" / "dbt_af_k8s" / path).is_file() for path in ours)
    assert shop.json("package", "install") == {"version": 1, "folder": str(shop.root / "dbt_packages" / "dbt_af_k8s")}


def test_what_someone_else_wrote_is_left_alone(shop: Shop) -> None:
    assert shop.run("package", "install").exit_code == 0
    changed = shop.root / "dbt_packages" / "dbt_af_k8s" / "macros" / "ttl.sql"
    changed.write_text("-- mine")
    result = shop.run("package", "install")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not ours, or changed: macros/ttl.sql" in " ".join(result.stderr.split())
    assert changed.read_text() == "-- mine"


def test_needs_a_project(empty_shop: Shop) -> None:
    empty_shop.root.mkdir()
    result = empty_shop.run("package", "install")
    assert result.exit_code == 2
    assert "Name the folder of a dbt project" in " ".join(result.stderr.split())
    assert list(empty_shop.root.iterdir()) == []


def test_without_a_second_word_the_help_is_shown() -> None:
    result = run("package")
    assert "install" in result.output
    assert "Traceback" not in result.output


def test_check_asks_for_it_where_maintenance_is_asked_for(empty_shop: Shop) -> None:
    shop = empty_shop.model("orders", maintenance=UPKEEP).write().settings("strict: false\n")
    manifest = shop.root / "target" / "manifest.json"
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(document | {"macros": {"macro.dbt.statement": {}}}))
    result = shop.run("check")
    assert result.exit_code == 0
    assert "1 warning" in result.stdout
    assert "maintenance-package-missing" in result.stdout
    assert "dbt-af-k8s package install" in result.stdout
    manifest.write_text(json.dumps(document | {"macros": {"macro.dbt_af_k8s.vacuum": {}}}))
    assert shop.json("check")["issues"] == []


def test_its_help_names_its_options() -> None:
    result = run("package", "install", "--help")
    assert result.exit_code == 0
    assert "--project-dir" in result.stdout
