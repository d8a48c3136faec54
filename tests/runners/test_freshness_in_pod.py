"""A check of freshness whose dbt runs in a pod."""

import pytest
from runners.bench import Bench

from dbt_af_k8s.airflow import DbtFreshnessOperator
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]


def test_the_age_of_a_source_comes_back(kubernetes_pod: Bench) -> None:
    kubernetes_pod.task("raw", "seed").run()
    invocation = DbtInvocation("freshness", (node_by_id("source.shop.main.raw"),))
    result = kubernetes_pod.task_of("age", invocation, DbtFreshnessOperator).run()
    assert result["status"] == "warn"
    assert result["age"] > 86_400
