"""What a fused task tells of its nodes, and what it remembers between tries: without a run of dbt."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from dbt_af_k8s.airflow import DbtBuildOperator
from dbt_af_k8s.airflow.build import DONE, NODES, NodesLink, rows_of, table_lines
from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtRetryError
from dbt_af_k8s.dbt.results import NodeResult, Verdict
from dbt_af_k8s.errors import UsageError

pytestmark = pytest.mark.airflow

A, B, T = "model.shop.a", "model.shop.b", "test.shop.t"
HALF = Verdict(
    False,
    "node model.shop.b: error",
    retryable=True,
    results=(
        NodeResult(A, "success", "OK", seconds=0.25, rows=3),
        NodeResult(B, "error", "Runtime Error\n  no such table"),
        NodeResult(T, "skipped"),
    ),
)
REST = Verdict(True, "2 nodes", retryable=False, results=(NodeResult(B, "success", seconds=1.0), NodeResult(T, "pass")))


class Store(dict):
    """Airflow's task state store."""

    broken = False

    def get(self, key: str, default: Any = None) -> Any:
        self._fail()
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._fail()
        self[key] = value

    def _fail(self) -> None:
        if self.broken:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))


class Task:
    """A fused task whose dbt answers as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store | None) -> None:
        self.operator = DbtBuildOperator.for_nodes(task_id="b", project_dir="/shop", nodes=(A, B, T))
        self.store = store
        self.pushed: dict[str, Any] = {}
        self.asked: list[set[str]] = []
        self.answer = HALF
        monkeypatch.setattr(self.operator, "interval_or_fail", lambda context: SimpleNamespace(start=None, end=None))
        monkeypatch.setattr(self.operator, "start_dbt", lambda context, interval, invocation, work: work(self))

    def build(self, *, only: frozenset[str], **_: Any) -> Verdict:
        """As `DbtRun.build`."""
        self.asked.append(set(only))
        return self.answer

    def run(self, answer: Verdict, number: int, *, most: int = 2) -> Any:
        self.answer = answer
        ti = SimpleNamespace(
            try_number=number, max_tries=most, xcom_push=lambda key, value: self.pushed.update({key: value})
        )
        context: dict[str, Any] = {"ti": ti}
        if self.store is not None:
            context["task_state_store"] = self.store
        return self.operator.execute(context)


def test_a_retry_runs_only_what_is_not_done_and_tells_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, Store())
    with pytest.raises(DbtRetryError, match=r"node model\.shop\.b: error"):
        task.run(HALF, 1)
    assert [row["status"] for row in task.pushed[NODES]] == ["success", "error", "skipped"]
    result = task.run(REST, 2)
    assert task.asked == [{A, B, T}, {B, T}]
    assert [(row["unique_id"], row["status"], row.get("earlier")) for row in result[NODES]] == [
        (A, "success", True),
        (B, "success", None),
        (T, "pass", None),
    ]


def test_a_third_try_knows_what_the_first_has_done(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, Store())
    for number, done in ((1, HALF), (2, Verdict(False, "x", True, (NodeResult(B, "success"), NodeResult(T, "error"))))):
        with pytest.raises(DbtRetryError):
            task.run(done, number)
    task.run(Verdict(True, "", False, (NodeResult(T, "pass"),)), 3)
    assert task.asked == [{A, B, T}, {B, T}, {T}]


def test_a_task_that_is_cleared_runs_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow raises `max_tries` then."""
    task = Task(monkeypatch, Store())
    with pytest.raises(DbtRetryError):
        task.run(HALF, 1, most=2)
    with pytest.raises(DbtRetryError):
        task.run(HALF, 2, most=3)
    assert task.asked == [{A, B, T}, {A, B, T}]


def test_a_task_that_was_green_runs_all_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where its artefacts could not be sent."""
    task = Task(monkeypatch, Store())
    task.run(Verdict(True, "", False, HALF.results[:1]), 1)
    assert task.store[DONE]["rows"] == []
    task.run(REST, 2)
    assert task.asked == [{A, B, T}, {A, B, T}]


def test_a_task_whose_retry_was_green_does_that_part_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server still has what the retry did, and takes no other part for it."""
    task = Task(monkeypatch, Store())
    with pytest.raises(DbtRetryError):
        task.run(HALF, 1)
    task.run(REST, 2)
    task.run(REST, 3)
    assert task.asked == [{A, B, T}, {B, T}, {B, T}]


def test_a_link_leads_to_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/here/")
    key = SimpleNamespace(dag_id="shop__daily", run_id="scheduled__2026-03-01T00:00:00+00:00", task_id="b")
    assert NodesLink().get_link(Task(monkeypatch, None).operator, ti_key=key) == (
        "https://airflow.example.com/here/dags/shop__daily/runs/"
        "scheduled__2026-03-01T00%3A00%3A00%2B00%3A00/tasks/b/xcom"
    )


def test_another_verb_is_refused() -> None:
    assert DbtBuildOperator.for_nodes(task_id="b", project_dir="/shop", nodes=(A, T)).invocation.verb == "build"
    with pytest.raises(UsageError, match="not `dbt run`"):
        DbtBuildOperator.for_nodes(task_id="b", project_dir="/shop", nodes=A, verb="run")


@pytest.mark.parametrize("broken", [False, True])
def test_without_a_store_a_retry_runs_all(monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    store = Store() if broken else None
    if store is not None:
        store.broken = True
    task = Task(monkeypatch, store)
    with pytest.raises(DbtRetryError):
        task.run(HALF, 1)
    task.run(REST, 2)
    assert task.asked == [{A, B, T}, {A, B, T}]


def test_what_stays_wrong_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DbtFailedError):
        Task(monkeypatch, None).run(Verdict(False, "test failed", False, (NodeResult(T, "fail"),)), 1)


def test_the_table_has_a_line_for_each_node_with_its_own_verdict() -> None:
    rows = rows_of([A, B, T, "model.shop.lost"], HALF, {})
    lines = table_lines(rows)
    assert [line.split()[:2] for line, _ in lines] == [
        ["node", "status"],
        [A, "success"],
        [B, "error"],
        [T, "skipped"],
        ["model.shop.lost", "no"],
    ]
    assert [is_good for _, is_good in lines] == [True, True, False, False, False]
    assert lines[2][0].endswith("Runtime Error no such table")
