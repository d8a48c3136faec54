"""What comes back from dbt in a pod while the cluster has trouble with its log."""

from typing import TYPE_CHECKING

import pytest
from runners.bench import Bench, until
from runners.shop import LINES

if TYPE_CHECKING:
    from cluster_server.server import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]


def test_a_large_log_that_is_cut_off_and_comes_again_loses_nothing(kubernetes_pod: Bench, stand_in: "Cluster") -> None:
    from cluster_server.faults import LogFault

    stand_in.fail_logs(LogFault("task-talkative-*", "base", break_after=LINES // 2))
    stand_in.fail_logs(LogFault("task-talkative-*", "base", repeat=20))
    task = kubernetes_pod.task("talkative")
    assert task.run()["message"] == "model.shop.talkative: success OK"
    told = [int(line.split()[1]) for _, line in task.log.lines if line.startswith("Zeile ")]
    assert sorted(set(told)) == list(range(LINES))
    assert len(told) > LINES, "nothing came twice, so nothing was tried"


def test_an_answer_that_was_seen_counts_though_the_log_cannot_be_read_again(
    kubernetes_pod: Bench, stand_in: "Cluster"
) -> None:
    from cluster_server.faults import RequestFault

    task = kubernetes_pod.task("waits", variables={"ms": 2000})
    running = task.begin()
    until(lambda: "1 of 1 START" in task.log.text)
    stand_in.fail_requests(RequestFault("log", "pods", times=100))
    assert running.ended() is None
    assert running.result["status"] == "success"
