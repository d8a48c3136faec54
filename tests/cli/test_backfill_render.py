"""`dbt-af-k8s backfill render`."""

import json
from pathlib import Path

import pytest
from shop_on_disk import Shop, run

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project" / "backfill.yml"


def test_it_writes_both_objects_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "made" / "jobs"
    result = run("backfill", "render", str(EXAMPLE), "--output-dir", str(out), "--suffix", "fixed")
    assert result.exit_code == 0, result.output
    assert "backfill-finance-fixed: 7 runs of finance__backfill" in result.stdout
    assert "2026-01-11 → 2026-01-12" in result.stdout
    names = ["backfill-finance-fixed.configmap.yaml", "backfill-finance-fixed.job.yaml"]
    assert sorted(path.name for path in out.iterdir()) == names
    before = [(out / name).read_bytes() for name in names]
    assert run("backfill", "render", str(EXAMPLE), "-o", str(out), "--suffix", "fixed").exit_code == 0
    assert [(out / name).read_bytes() for name in names] == before
    assert (out / names[0]).stat().st_mode & 0o777 == 0o644


def test_json_has_it_all(tmp_path: Path) -> None:
    result = run("backfill", "render", str(EXAMPLE), "-o", str(tmp_path), "--format", "json")
    told = json.loads(result.stdout)
    assert told["dag_id"] == "finance__backfill"
    assert [Path(file).exists() for file in told["files"]] == [True, True]
    assert told["runs"][0]["conf"]["start_dttm"] == "2026-01-05T00:00:00+00:00"
    assert told["issues"] == []


def test_with_a_mistake_nothing_is_written(tmp_path: Path) -> None:
    config, out = tmp_path / "backfill.yml", tmp_path / "out"
    config.write_text("domain: sales\nchunk: dya\n")
    result = run("backfill", "render", str(config), "-o", str(out))
    assert result.exit_code == 2
    text = " ".join(result.stderr.split())
    assert "Did you mean `day`?" in text
    assert "The key `image` is missing" in text
    assert not out.exists()


def test_a_warning_is_told_and_the_files_are_written(tmp_path: Path) -> None:
    config = tmp_path / "backfill.yml"
    config.write_text(EXAMPLE.read_text().replace("version: 1.0.0\n", ""))
    result = run("backfill", "render", str(config), "-o", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert "image-without-version" in result.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_template_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "own.yaml.j2").write_text('{% extends "between.j2" %}\n')
    (tmp_path / "between.j2").write_text(
        '{% extends "job.yaml.j2" %}{% block job_spec %}\n  suspend: true{% endblock %}\n'
    )
    argv = ["backfill", "render", str(EXAMPLE), "-o", str(tmp_path / "out"), "--template"]
    assert run(*argv, str(tmp_path / "own.yaml.j2")).exit_code == 0
    (made,) = (tmp_path / "out").glob("*.job.yaml")
    assert "suspend: true" in made.read_text()
    (tmp_path / "own.yaml.j2").write_text('{% extends "../secret.j2" %}\n')
    result = run(*argv, str(tmp_path / "own.yaml.j2"))
    assert result.exit_code == 2
    assert "The name '../secret.j2' leads out of the search paths (line 1)" in " ".join(result.stderr.split())


CONFIG = "partitions: {dates: {from: 2026-01-05, to: 2026-01-06}}\nimage: shop\nversion: '1'\n"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("domain: sales\nmodels: orders+\n", None),
        ("dag: sales__hourly\n", None),
        ("domain: saels\n", "Did you mean `sales__backfill`?"),
        ("domain: sales\nmodels: [ordrs, totals]\n", "did you mean `orders`?"),
        ("dag: sales__hourly\nmodels: orders\n", "name the domain: `domain: sales`"),
    ],
)
def test_it_is_checked_against_a_project(shop: Shop, tmp_path: Path, asked: str, told: str | None) -> None:
    shop.settings("strict: false\n")
    config = tmp_path / "backfill.yml"
    config.write_text(asked + CONFIG)
    out = tmp_path / "out"
    result = shop.run("backfill", "render", str(config), "-o", str(out))
    assert (result.exit_code == 0) == (told is None) == out.exists(), result.output
    assert told is None or told in " ".join(result.stderr.split())


@pytest.mark.parametrize("place", ["missing.yml", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, place: str) -> None:
    result = run("backfill", "render", str(tmp_path / place), "-o", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_an_output_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    result = run("backfill", "render", str(EXAMPLE), "-o", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "is no folder" in result.stderr
