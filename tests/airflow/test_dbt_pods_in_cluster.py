"""dbt in a pod, against a cluster: verdicts, answers, secrets, kills, and projects that are not the plan's."""

import asyncio
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("airflow")

from airflow.sdk.exceptions import TaskDeferred
from dbt_image import IN_IMAGE, write_project
from kubernetes import client
from script_pods import GOES_ON, without_airflows_own

from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtOperator, DbtRetryError
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.plan.objects import objects_of
from dbt_af_k8s.plan.values import TaskKind, TaskPlan
from dbt_af_k8s.pods.dbt_values import ConnectionProfile, DbtPod
from dbt_af_k8s.pods.target import read_runner_pod
from dbt_af_k8s.pods.values import PodRun

if TYPE_CHECKING:
    from cluster_server.place import Place
    from cluster_server.server import Cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.airflow,
    pytest.mark.dbt,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
SECRET = "pa{{ss}}-'w\"ort"
Make = Callable[..., DbtOperator]


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def log(self, level: int, event: str, *args: Any) -> None:
        self.lines.append((level, event % args if args else event))

    def info(self, event: str, *args: Any) -> None:
        self.log(20, event, *args)

    def warning(self, event: str, *args: Any) -> None:
        self.log(30, event, *args)

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)


@pytest.fixture(scope="module")
def project(kubernetes: "Place", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as the image has it: on a real cluster the folder that the image was built from."""
    if kubernetes.is_real:
        return kubernetes.dbt_project_or_skip()
    folder = tmp_path_factory.mktemp("image") / "shop"
    write_project(folder, python=sys.executable)
    return folder


@pytest.fixture
def core(kubernetes: "Place") -> Iterator[client.CoreV1Api]:
    with kubernetes.api_client() as api:
        yield client.CoreV1Api(api)


def pod_of(kubernetes: "Place", project: Path, **more: Any) -> DbtPod:
    written = {
        "image_name": kubernetes.dbt_image if kubernetes.is_real else kubernetes.python_image,
        "namespace": kubernetes.namespace,
        "config_file": str(kubernetes.kubeconfig),
        "in_cluster": False,
        "startup_timeout": 60,
        **more,
    }
    here = {} if kubernetes.is_real else {"PYTHONPATH": str(Path(__file__).parents[2])}
    written["env"] = {**here, **more.get("env", {})}
    target, issues = read_runner_pod(written, row="dev", file="dbt_af_k8s.yml", defaults={})
    assert target is not None, issues
    sha256 = hashlib.sha256((project / "target" / "manifest.json").read_bytes()).hexdigest()
    return DbtPod(replace(target, written={}), home(kubernetes, project), "target/manifest.json", sha256)


def home(kubernetes: "Place", project: Path) -> str:
    """Where the project lies in the pod."""
    return IN_IMAGE if kubernetes.is_real else str(project)


def context(operator: DbtOperator, number: int = 1) -> dict[str, Any]:
    run = SimpleNamespace(run_type="scheduled", data_interval_start=START, data_interval_end=END, conf={})
    ti = SimpleNamespace(
        dag_id="shop", task_id=operator.task_id, run_id="r1", map_index=-1, try_number=number, max_tries=2
    )
    ti.start_date = datetime.now(UTC)
    ti.xcom_push = lambda key, value: None
    return {"dag_run": run, "ti": ti, "params": {}, "run_id": "r1", "dag": SimpleNamespace()}


@pytest.fixture
def make(kubernetes: "Place", project: Path, request: pytest.FixtureRequest) -> Make:
    """An operator on one model; `pod` are keys of the pod's settings."""

    def made(
        name: str = "orders", *, fake: bool = False, sha256: str | None = None, connection: Any = None, **pod: Any
    ) -> DbtOperator:
        place = replace(pod_of(kubernetes, project, **pod), connection=connection)
        place = replace(place, manifest_sha256=sha256 or place.manifest_sha256)
        executable = f"{home(kubernetes, project)}/fake_dbt" if fake else None
        return type("Logging", (DbtOperator,), {"log": Log()})(
            task_id=f"t{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}",
            invocation=DbtInvocation("run", (node_by_id(f"model.shop.{name}"),), executable=executable),
            project=DbtProject(project),
            pod=place,
        )

    return made


def left(core: client.CoreV1Api, place: "Place") -> tuple[int, int]:
    """Pods and Secrets of ours that are still there."""
    pods = [p for p in core.list_namespaced_pod(place.namespace).items if p.metadata.deletion_timestamp is None]
    secrets = core.list_namespaced_secret(place.namespace).items
    return len(pods), len([each for each in secrets if each.metadata.name.startswith("dbt-af-")])


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError


def test_dbt_runs_from_its_slice_and_its_own_result_counts(
    make: Make, kubernetes: "Place", core: client.CoreV1Api
) -> None:
    operator = make()
    result = operator.execute(context(operator))
    assert result["status"] == "success"
    assert result["message"] == "model.shop.orders: success OK"
    assert 0 < result["seconds"] < 60
    text = operator.log.text  # type: ignore[attr-defined]
    assert "Größe" in text
    assert "No slice" not in text
    assert "dbt-af-k8s-result" not in text
    until(lambda: left(core, kubernetes) == (0, 0))


def test_a_failure_has_dbts_own_words(make: Make) -> None:
    operator = make("broken")
    with pytest.raises(DbtRetryError, match=r"(?s)node model\.shop\.broken: error.*nowhere_at_all"):
        operator.execute(context(operator))
    levels = {level for level, line in operator.log.lines if "nowhere_at_all" in line}  # type: ignore[attr-defined]
    assert 40 in levels


def test_rows_come_back_and_no_result_is_red(make: Make) -> None:
    operator = make(fake=True)
    assert operator.execute(context(operator))["rows"] == 7
    with pytest.raises(DbtRetryError, match=r"has no result for model\.shop\.orders"):
        (none := make(fake=True, env={"FAKE_RESULT": "no"})).execute(context(none))


def test_a_project_that_is_not_the_plans_never_runs(make: Make) -> None:
    operator = make(fake=True, sha256="0" * 64)
    with pytest.raises(DbtFailedError, match=r"in pod .* The project in the image is not that of the plan"):
        operator.execute(context(operator))
    assert "began" not in operator.log.text  # type: ignore[attr-defined]


def test_an_image_without_our_program_is_told_by_its_exit_code(make: Make) -> None:
    operator = make(fake=True, env={"PYTHONPATH": "/nowhere"}, python="false")
    with pytest.raises(DbtFailedError, match=r"dbt run of model\.shop\.orders failed in pod .*exit code 1"):
        operator.execute(context(operator))


def test_a_connection_becomes_a_secret_that_only_the_pod_sees(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    fields = {"conn_type": "postgres", "host": "db", "login": "ann", "password": SECRET, "schema": "shop"}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
    operator = make(
        fake=True,
        connection=ConnectionProfile("warehouse", "shop", "dev", "postgres", {"schema": "main"}),
        env={"FAKE_SLEEP": "3"},
    )
    seen: dict[str, Any] = {}

    def watch() -> None:
        until(lambda: left(core, kubernetes)[1])
        (pod,) = core.list_namespaced_pod(kubernetes.namespace).items
        secrets = core.list_namespaced_secret(kubernetes.namespace).items
        (secret,) = [each for each in secrets if each.metadata.name.startswith("dbt-af-")]
        seen.update(pod=str(pod.to_dict()), owners=secret.metadata.owner_references, uid=pod.metadata.uid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    operator.render_template_fields(context(operator))
    operator.execute(context(operator))
    watcher.join()
    assert [owner.uid for owner in seen["owners"]] == [seen["uid"]]
    text = operator.log.text  # type: ignore[attr-defined]
    assert "profile ann" in text
    out, err = capfd.readouterr()
    for told in (seen["pod"], text, operator.command, out, err):
        assert "ss}}-" not in told
    assert left(core, kubernetes)[1] == 0


def test_a_pod_that_is_refused_leaves_no_secret(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "postgres", "password": SECRET}))
    profile = ConnectionProfile("warehouse", "shop", "dev", "postgres")
    operator = make(fake=True, connection=profile, service_account="nobody-here")
    with pytest.raises(DbtFailedError, match="serviceaccount"):
        operator.execute(context(operator))
    assert left(core, kubernetes) == (0, 0)


def test_a_kill_takes_the_pod_and_its_secret_along(
    make: Make, kubernetes: "Place", core: client.CoreV1Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "postgres", "login": "ann"}))
    profile = ConnectionProfile("warehouse", "shop", "dev", "postgres")
    operator = make(fake=True, connection=profile, env={"FAKE_SLEEP": "60"})

    def kill() -> None:
        until(lambda: "began" in operator.log.text)  # type: ignore[attr-defined]
        operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever it is, the task is dead)
        operator.execute(context(operator))
    killer.join()
    until(lambda: left(core, kubernetes) == (0, 0))


def deferred_result(operator: DbtOperator, again: DbtOperator) -> Any:
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context(operator))

    async def wait() -> Any:
        return (await anext(deferred.value.trigger.run())).payload

    return getattr(again, deferred.value.method_name)(context(again), asyncio.run(wait()))


def test_a_deferred_task_has_the_same_verdict(make: Make) -> None:
    operator, again = (make(fake=True, deferrable=True, log_every=0, env={"FAKE_SLEEP": "1"}) for _ in range(2))
    assert deferred_result(operator, again)["rows"] == 7
    assert "began" in again.log.text  # type: ignore[attr-defined]


def test_a_kill_is_never_green_though_dbt_ends_well(make: Make, kubernetes: "Place", core: client.CoreV1Api) -> None:
    operator = make(fake=True, env={"FAKE_SLEEP": "3", "FAKE_SIGTERM": "ignored"})

    def kill() -> None:
        until(lambda: "began" in operator.log.text)  # type: ignore[attr-defined]
        operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(DbtRetryError, match="the task was killed, and its pod deleted"):
        operator.execute(context(operator))
    killer.join()
    until(lambda: left(core, kubernetes) == (0, 0))


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
@pytest.mark.parametrize("does", [GOES_ON, "exit 3"], ids=["runs", "fails"])
def test_the_end_of_dbt_is_the_end(
    make: Make, stand_in: "Cluster", kubernetes: "Place", core: client.CoreV1Api, deferrable: bool, does: str
) -> None:
    sidecar = {"name": "vault-agent", "image": kubernetes.shell_image, "command": ["sh", "-c", does]}
    stand_in.inject(sidecar, "t*")
    operator, again = (make(fake=True, deferrable=deferrable, log_every=0) for _ in range(2))
    result = deferred_result(operator, again) if deferrable else operator.execute(context(operator))
    assert result["rows"] == 7
    assert not core.list_namespaced_pod(kubernetes.namespace).items


def test_the_cluster_gets_what_render_shows(make: Make, stand_in: "Cluster") -> None:
    operator = make(fake=True)
    operator.execute(context(operator))
    sent = stand_in.sent_pod(operator.task_id)
    task = TaskPlan(
        operator.task_id,
        TaskKind.RUN,
        ("model.shop.orders",),
        runner="kubernetes_pod",
        dbt=operator.invocation,
        dbt_pod=operator.dbt_pod,
    )
    (shown,) = objects_of(task, PodRun(START, END, {}))
    assert without_airflows_own(sent) == without_airflows_own(json.loads(json.dumps(shown)))
