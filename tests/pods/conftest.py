"""A script, a run of it, and targets out of YAML."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import yaml

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.pods.target import read_target
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, PodRun


@pytest.fixture
def payload() -> Payload:
    return Payload(
        node="model.shop.export",
        name="export",
        file="models/py/export.py",
        source="print('exported')\n",
        config={"meta": {"owner": "Zoë"}, "materialized": "table"},
        refs=(("orders", '"shop"."main"."orders"'), ("raw.clicks", '"shop"."raw"."clicks"')),
        this='"shop"."main"."export"',
    )


@pytest.fixture
def run() -> PodRun:
    return PodRun(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), {"full": True})


@pytest.fixture
def read() -> Callable[[str], tuple[KubernetesTarget | None, tuple[Issue, ...]]]:
    """Read a target out of YAML; `type` and `image_name` are added where it has none."""

    def reading(text: str) -> tuple[KubernetesTarget | None, tuple[Issue, ...]]:
        written = {"type": "kubernetes", "image_name": "shop/etl:1", **(yaml.safe_load(text) or {})}
        return read_target(written, name="k8s", file="profiles.yml")

    return reading


@pytest.fixture
def target(
    read: Callable[[str], tuple[KubernetesTarget | None, tuple[Issue, ...]]],
) -> Callable[..., KubernetesTarget]:
    """A target that must be in order."""

    def made(text: str = "") -> KubernetesTarget:
        found, issues = read(text)
        assert found is not None, "\n".join(map(str, issues))
        return found

    return made
