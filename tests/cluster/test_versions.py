"""Versions against those that are supported."""

import pytest

from dbt_af_k8s.cluster import versions
from dbt_af_k8s.cluster.checks import Verdict, has_errors
from dbt_af_k8s.cluster.versions import check_oldest, check_versions, version_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("v1.36.1-eks-a1b2", (1, 36, 1)), ("3.3.2", (3, 3, 2)), ("1.30+k3s1", (1, 30)), ("unknown", ()), ("", ())],
)
def test_a_version_is_read(text: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(text) == numbers


@pytest.mark.parametrize(
    ("found", "verdict"),
    [("1.30.0", "ok"), ("v1.31", "ok"), ("v2", "ok"), ("v1.29.9", "error"), ("what", "error"), (None, "skipped")],
)
def test_an_old_one_is_told(found: str | None, verdict: str) -> None:
    check = check_oldest("server", found, (1, 30), area="kubernetes")
    assert check.verdict.value == verdict
    assert bool(check.fix) == (verdict == "error")


def test_what_is_installed_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_errors(check_versions())
    found = {"apache-airflow": "2.11.0", "dbt-core": "1.9.1"}
    monkeypatch.setattr(versions, "installed", found.get)
    verdicts = {check.name: check.verdict for check in check_versions()}
    assert verdicts["Airflow"] is Verdict.ERROR
    assert verdicts["dbt"] is Verdict.WARNING
    assert verdicts["Kubernetes provider"] is Verdict.SKIPPED
