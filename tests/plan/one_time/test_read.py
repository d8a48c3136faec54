"""What is told about broken configurations, and what becomes of right ones.

Each file of `broken/` has its texts beside it; `UPDATE_GOLDENS=1` writes them anew. Never set in CI.
"""

import os
from pathlib import Path

import pytest

from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.plan.one_time.read import read_one_time
from dbt_af_k8s.plan.one_time.values import OneTimeJob

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yml"))
LEAST = "domain: sales\nimage: shop\nversion: '1'\npartitions: {dates: {from: 2026-01-05, to: 2026-01-06}}\n"


def job(text: str, suffix: str | None = None) -> OneTimeJob:
    found, issues = read_one_time(text.encode(), file="backfill.yml", suffix=suffix)
    assert issues == ()
    return found


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_every_mistake_is_told_at_once(path: Path) -> None:
    with pytest.raises(ProjectError) as failed:
        read_one_time(path.read_bytes(), file=path.name)
    told, expected = f"{failed.value}\n", path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


def test_there_are_broken_ones() -> None:
    assert len(BROKEN) >= 7


def test_an_image_without_version_is_a_warning() -> None:
    for version in ("", "version: latest\n"):
        found, issues = read_one_time((LEAST.replace("version: '1'\n", version)).encode(), file="backfill.yml")
        assert [(issue.code, issue.is_error) for issue in issues] == [("image-without-version", False)]
        assert found.image == "shop:latest"


def test_a_secret_in_plain_text_is_a_warning() -> None:
    _, issues = read_one_time(f"{LEAST}job: {{env: {{API_TOKEN: abc}}}}\n".encode(), file="backfill.yml")
    assert [(issue.code, issue.key) for issue in issues] == [("secret-in-plain-text", "job.env.API_TOKEN")]
    assert "abc" not in str(issues)


def test_the_suffix_follows_from_the_configuration_and_can_be_fixed() -> None:
    one = job(LEAST)
    assert one.name == job(f"# a comment\n{LEAST}").name
    assert one.name != job(f"{LEAST}chunk: hour\n").name
    assert one.name.startswith("backfill-sales-")
    assert job(LEAST, "mine").name == job(f"{LEAST}suffix: mine\n").name == "backfill-sales-mine"
    assert job(LEAST, "mine").config_text == one.config_text


def test_names_fit_into_kubernetes() -> None:
    assert job(LEAST.replace("sales", "Große_Domäne")).name.isascii()
    long = job(LEAST.replace("sales", "a" * 100))
    assert len(long.name) <= 63
    assert job(LEAST.replace("sales", "web_shop"), "x").name == "backfill-web-shop-x"


def test_the_config_map_s_configuration_is_the_same_one() -> None:
    """What runs inside the cluster starts the same runs as the file outside."""
    text = (Path(__file__).parent / "golden" / "full.yml").read_bytes()
    outside, _ = read_one_time(text, file="backfill.yml")
    inside, _ = read_one_time(outside.config_text.encode(), file="backfill.yml")
    assert [run.run_id for run in inside.runs] == [run.run_id for run in outside.runs]
    assert inside.config_text == outside.config_text
    assert inside.asked == outside.asked


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("dbt-af-k8s backfill run", ("dbt-af-k8s", "backfill", "run", "/etc/dbt-af-k8s/job/backfill.yml")),
        ("[sh, -c, 'exec job --config={config}']", ("sh", "-c", "exec job --config=/etc/dbt-af-k8s/job/backfill.yml")),
        ("job 'two words'", ("job", "two words", "/etc/dbt-af-k8s/job/backfill.yml")),
    ],
)
def test_the_command_gets_the_path_of_the_configuration(command: str, words: tuple[str, ...]) -> None:
    assert job(f"{LEAST}command: {command}\n").command == words


def test_requests_and_limits_follow_each_other() -> None:
    def resources(text: str) -> object:
        return job(f"{LEAST}job: {text}\n").context["resources"]

    assert resources("{}") == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    assert resources("{requests: {memory: 1Gi}}") == {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    assert resources("{limits: {memory: 64Mi}}") == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"memory": "64Mi"},
    }
