"""Fakes at Airflow's own boundary: what the task supervisor answers to a worker or a trigger."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dag_test_lab import DagTestLab

from dbt_af_k8s.airflow.skip_marks import SKIP_KEY, SkipMark, read_skip_mark, skip_mark

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
    #: Marks of skipped tasks, by run id and task id.
    marks: dict[tuple[str, str], Any] = field(default_factory=dict)
    #: How many task instances ever succeeded.
    successes: int = 0

    def put(
        self,
        start: datetime | None,
        task_state: str | None = "success",
        *,
        state: str = "running",
        kind: str = "scheduled",
        has_task: bool = True,
        skip: str | None = None,
        others: Mapping[str, str | None] = MappingProxyType({}),
    ) -> FakeRun:
        """Make a run, or make it anew with another state. `skip` is the mark of a skipped task: what kind it is."""
        stamp = (start or datetime(2026, 7, 1, tzinfo=UTC)) + timedelta(hours=1)
        run_id = f"{kind}__{stamp.isoformat()}"
        tasks = {self.task_id: task_state} if has_task else {}
        self.runs[run_id] = FakeRun(run_id, start, state, {**tasks, **others})
        if skip is not None:
            self.mark(run_id, self.task_id, skip)
        return self.runs[run_id]

    def mark(self, run_id: str, task_id: str, kind: str) -> None:
        """Leave the mark of a task that skipped itself."""
        self.marks[run_id, task_id] = skip_mark(kind, "as told")[1]

    def task_states(self, dag_id: str, task_ids: Any, *, dates: Any = (), run_ids: Any = ()) -> dict[str, Any]:
        """As `UpstreamApi`."""
        self._asked("states")
        found = {
            run.run_id: {task_id: run.tasks[task_id] for task_id in task_ids if task_id in run.tasks}
            for run in self._found(dag_id, dates, run_ids)
        }
        return {run_id: tasks for run_id, tasks in found.items() if tasks}

    def skip_of(self, dag_id: str, run_id: str, task_id: str) -> SkipMark | None:
        """As `UpstreamApi`."""
        self._asked("mark")
        assert dag_id == self.dag_id
        return read_skip_mark(self.marks.get((run_id, task_id)))

    def count_runs(self, dag_id: str, *, dates: Any = (), run_ids: Any = (), states: Any = ()) -> int:
        """As `UpstreamApi`."""
        self._asked("count")
        return len([run for run in self._found(dag_id, dates, run_ids) if not states or run.state in states])

    def _task_count(self, msg: Any) -> Any:
        from airflow.sdk.execution_time.comms import TICount

        self._asked("count")
        if msg.states == ["success"]:
            assert not msg.run_ids
            return TICount(count=self.successes)
        (run_id,) = msg.run_ids
        return TICount(count=sum(state in msg.states for state in self.runs[run_id].tasks.values()))

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
            GetTICount,
            GetXCom,
            TaskStatesResult,
            XComResult,
        )

        if isinstance(msg, GetTaskStates):
            assert msg.task_ids
            assert not (msg.logical_dates and msg.run_ids)
            found = self.task_states(msg.dag_id, msg.task_ids, dates=msg.logical_dates or (), run_ids=msg.run_ids or ())
            return TaskStatesResult(task_states=found)
        if isinstance(msg, GetXCom):
            self._asked("mark")
            assert (msg.dag_id, msg.key) == (self.dag_id, SKIP_KEY)
            return XComResult(key=msg.key, value=self.marks.get((msg.run_id, msg.task_id)))
        if isinstance(msg, GetTICount):
            return self._task_count(msg)
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
