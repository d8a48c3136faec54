"""dbt's artefacts, which a server keeps, on their way to those who want them."""

import json
from collections.abc import Callable

import pytest
from runners.bench import selection
from runners.odd_bench import OddBench
from runners.odd_server import OddServer
from runners.task import Task

from dbt_af_k8s.airflow.dbt_operator import DbtRetryError
from dbt_af_k8s.airflow.integrations.artifacts import FILES, ArtifactSender
from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.plan.values import ArtifactsPlan

pytestmark = pytest.mark.airflow


@pytest.fixture
def sending(odd: OddServer) -> Callable[[bool], Task]:
    """A task that sends dbt's artefacts on."""

    def made(is_required: bool) -> Task:
        plan = ArtifactsPlan("runners.odd_bench.Taker", "shop", required=is_required)
        invocation = DbtInvocation("run", (selection("model.shop.orders"),))
        return OddBench(odd).task_of("sent", invocation, artifacts=ArtifactSender(plan, job="shop.sent"))

    return made


KEPT = {file: json.dumps({"is": name}).encode() for name, file in FILES.items()}


def test_artefacts_that_the_server_keeps_are_sent_on(sending: Callable[[bool], Task], odd: OddServer) -> None:
    odd.artifacts, odd.artifact_faults = {**KEPT, "sources.json": b"{}"}, [503, 429]
    task = sending(True)
    assert task.run()["status"] == "success"
    assert "Taken: manifest, run_results" in task.log.text
    # By this our own server knows that it must not start from slices.
    assert "--write-json" in odd.started[0]["command"]


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (None, "The dbt server keeps no artefacts of its invocations"),
        ({"run_results.json": KEPT["run_results.json"]}, "The dbt server has not kept manifest.json of"),
    ],
)
def test_artefacts_that_cannot_be_had_are_told_or_red(
    sending: Callable[[bool], Task], odd: OddServer, kept: dict[str, bytes] | None, said: str
) -> None:
    odd.artifacts = kept
    task = sending(False)
    assert task.run()["status"] == "success"
    assert [level for level, line in task.log.lines if said in line] == [30]
    with pytest.raises(DbtRetryError, match=f"dbt did well, but its artefacts were not sent: {said}"):
        sending(True).run()


def test_artefacts_that_were_not_sent_are_sent_by_the_retry_and_dbt_does_not_run_again(
    sending: Callable[[bool], Task], odd: OddServer
) -> None:
    odd.artifacts, odd.artifact_faults = KEPT, [500] * 100
    task = sending(True)
    with pytest.raises(DbtRetryError, match=r"artefacts cannot be had: the dbt server .* says 500"):
        task.run()
    odd.artifact_faults, task.try_number = [], 2
    assert task.run()["status"] == "success"
    assert len(odd.started) == 1
    assert "Taken: manifest, run_results" in task.log.text


def test_where_dbt_left_no_results_there_is_nothing_to_send(sending: Callable[[bool], Task], odd: OddServer) -> None:
    odd.artifacts, odd.states, odd.log, odd.reason = {}, ("FAILURE",), "", ("DbtError", "Parsing of shop failed")
    task = sending(True)
    with pytest.raises(DbtRetryError, match="Parsing of shop failed"):
        task.run()
    assert "dbt left no manifest or results to send." in task.log.text
