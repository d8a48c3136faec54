"""Fakes at Airflow's own boundary: what the task supervisor answers to a worker or a trigger."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dag_test_lab import DagTestLab

if TYPE_CHECKING:
    from cluster_server.place import Place
    from kubernetes import client
    from script_pods import Make


@dataclass
class FakeRun:
    """One DAG run; `tasks` maps a task id to the state of its only instance."""

    run_id: str
    date: datetime | None
    state: str
    tasks: dict[str, str | None]


@dataclass
class FakeUpstream:
    """An upstream DAG as Airflow's metadata would have it, and a supervisor that answers from it."""

    dag_id: str = "sales__hourly"
    task_id: str = "orders"
    runs: dict[str, FakeRun] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    is_paused: bool = False
    is_known: bool = True
    #: So many of the next questions get no answer.
    faults: int = 0

    def put(
        self,
        start: datetime | None,
        task_state: str | None = "success",
        *,
        state: str = "running",
        kind: str = "scheduled",
        has_task: bool = True,
    ) -> FakeRun:
        """Make a run, or make it anew with another state."""
        stamp = (start or datetime(2026, 7, 1, tzinfo=UTC)) + timedelta(hours=1)
        run_id = f"{kind}__{stamp.isoformat()}"
        tasks = {self.task_id: task_state} if has_task else {}
        self.runs[run_id] = FakeRun(run_id, start, state, tasks)
        return self.runs[run_id]

    def task_states(self, dag_id: str, task_id: str, *, dates: Any = (), run_ids: Any = ()) -> dict[str, Any]:
        """As `UpstreamApi`."""
        self._asked("states")
        found = self._found(dag_id, dates, run_ids)
        return {run.run_id: (run.tasks[task_id],) for run in found if task_id in run.tasks}

    def count_runs(self, dag_id: str, *, dates: Any = (), run_ids: Any = (), states: Any = ()) -> int:
        """As `UpstreamApi`."""
        self._asked("count")
        return len([run for run in self._found(dag_id, dates, run_ids) if not states or run.state in states])

    def _found(self, dag_id: str, dates: Any, run_ids: Any) -> list[FakeRun]:
        assert dates or run_ids, "a question about every run there is"
        return [
            run
            for run in self.runs.values()
            if dag_id == self.dag_id
            and ((dates and run.date is not None and run.date in dates) or (run_ids and run.run_id in run_ids))
        ]

    def _asked(self, what: str) -> None:
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse

        self.questions.append(what)
        if self.faults:
            self.faults -= 1
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 503}))

    def send(self, msg: Any) -> Any:
        """As the supervisor: one message in, one answer out, in Airflow's own message types."""
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time.comms import (
            DRCount,
            ErrorResponse,
            GetDag,
            GetDRCount,
            GetTaskStates,
            TaskStatesResult,
        )

        if isinstance(msg, GetTaskStates):
            (task_id,) = msg.task_ids or ["?"]
            assert not (msg.logical_dates and msg.run_ids)
            found = self.task_states(msg.dag_id, task_id, dates=msg.logical_dates or (), run_ids=msg.run_ids or ())
            return TaskStatesResult(task_states={run: {task_id: states[0]} for run, states in found.items()})
        if isinstance(msg, GetDRCount):
            count = self.count_runs(
                msg.dag_id, dates=msg.logical_dates or (), run_ids=msg.run_ids or (), states=msg.states or ()
            )
            return DRCount(count=count)
        if isinstance(msg, GetDag):
            if not self.is_known:
                raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR, detail={"status_code": 404}))
            return SimpleNamespace(is_paused=self.is_paused)
        raise AssertionError(f"a wait asks nothing of this kind: {msg}")


@pytest.fixture(scope="session")
def upstream_type() -> type[FakeUpstream]:
    """The class, for tests that need many upstream DAGs."""
    return FakeUpstream


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream DAG `sales__hourly` without runs yet."""
    return FakeUpstream()


@pytest.fixture
def supervisor(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> FakeUpstream:
    """The same, answering as the supervisor of the task that runs."""
    from airflow.sdk.execution_time import task_runner

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", upstream, raising=False)
    return upstream


@pytest.fixture(scope="session")
def dag_test_lab(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> DagTestLab:
    """A private Airflow with a migrated database, for real runs by `dag.test`."""
    return DagTestLab(tmp_path_factory.mktemp("airflow_home"), programs / "python")


@pytest.fixture
def airflow_without_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task's supervisor that knows no connection."""
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse

    class Supervisor:
        def send(self, msg: Any) -> Any:
            return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": "bi"})

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)


@pytest.fixture
def core(kubernetes: "Place") -> "Iterator[client.CoreV1Api]":
    """The cluster, for tests that look into it."""
    from kubernetes import client

    with kubernetes.api_client() as api:
        yield client.CoreV1Api(api)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of a test's script, another one for each test."""
    return f"s{zlib.crc32(request.node.name.encode()):x}"


@pytest.fixture
def make(kubernetes: "Place", name: str) -> "Iterator[Make]":
    """What makes operators for this test's script."""
    from script_pods import script_operators

    with script_operators(kubernetes, name) as made:
        yield made
