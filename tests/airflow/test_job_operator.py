"""The job operator against a Kubernetes API: what it makes, finds again, tells, and leaves behind."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cluster_server.place import Place
    from cluster_server.server import Cluster

pytestmark = pytest.mark.airflow

TEMPLATE = """\
apiVersion: batch/v1
kind: Job
metadata: {{name: export, labels: {{kueue.x-k8s.io/queue-name: "{queue}"}}}}
spec:
  backoffLimit: 0
{spec}
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: {image}
          command: [sh, -c, "{{{{ script }}}}"]
"""
SOON = 30.0


class Bench:
    """Makes job operators for one cluster, and looks at what they do."""

    def __init__(self, kubernetes: "Place", folder: Path, run_id: str) -> None:
        from kubernetes import client

        self.place = kubernetes
        self.folder = folder
        self.run_id = run_id
        self.batch = client.BatchV1Api(kubernetes.api_client())
        self.core = client.CoreV1Api(kubernetes.api_client())
        #: What triggers said.
        self.events: list[dict[str, Any]] = []
        #: Of the operator that resumes.
        self.arguments: dict[str, Any] = {}

    def operator(self, script: str, *, spec: str = "", queue: str = "", **arguments: Any) -> Any:
        from airflow.sdk import DAG

        from dbt_af_k8s.airflow import KubernetesJobTemplateOperator

        text = TEMPLATE.format(image=self.place.shell_image, spec=spec, queue=queue)
        (self.folder / "job.yml").write_text(text, encoding="utf-8")
        return KubernetesJobTemplateOperator(
            **{
                "task_id": "export",
                "template": self.folder / "job.yml",
                "template_fields": {"script": script},
                "namespace": self.place.namespace,
                "config_file": self.place.kubeconfig,
                "poll_every": 0.1,
                "dag": DAG("shop", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)),
                **arguments,
            }
        )

    @property
    def context(self) -> dict[str, Any]:
        instance = SimpleNamespace(dag_id="shop", task_id="export", run_id=self.run_id, map_index=-1)
        return {"ds": "2026-03-01", "ti": instance}

    def run(self, script: str, **arguments: Any) -> dict[str, Any]:
        return self.operator(script, **arguments).execute(self.context)

    def jobs(self) -> list[Any]:
        """The jobs of this run that are not being deleted."""
        from dbt_af_k8s.airflow.jobs.runs import run_of

        found = self.batch.list_namespaced_job(self.place.namespace, label_selector=run_of(self.context).selector)
        return [job for job in found.items if job.metadata.deletion_timestamp is None]

    def claims(self) -> list[str]:
        found = self.core.list_namespaced_persistent_volume_claim(self.place.namespace)
        return [claim.metadata.name for claim in found.items if claim.metadata.deletion_timestamp is None]

    @contextmanager
    def running(self, script: str, **arguments: Any) -> Iterator[tuple[Any, Any]]:
        """A job that an operator waits for in another thread, as a worker would; its exception does not matter."""
        operator = self.operator(script, **arguments)

        def work() -> None:
            from dbt_af_k8s.airflow import JobFailedError

            with suppress(JobFailedError):
                operator.execute(self.context)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        job = self.until(lambda: next((job for job in self.jobs() if job.status.active), None))
        yield operator, job
        self.batch.delete_collection_namespaced_job(self.place.namespace, propagation_policy="Background")
        thread.join(SOON)
        assert not thread.is_alive()

    def until(self, look: Callable[[], Any]) -> Any:
        """What a look finds, once it finds something."""
        ends = time.monotonic() + SOON
        while time.monotonic() < ends:
            if found := look():
                return found
            time.sleep(0.05)
        raise TimeoutError


@pytest.fixture
def bench(kubernetes: "Place", tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(kubernetes, tmp_path, f"manual__{request.node.name}")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines of the task's log so far: Airflow's logger writes them to the output."""
    seen: list[str] = []

    def read() -> list[str]:
        seen.append(capsys.readouterr().out)
        return re.findall(r"\[(?:info|warning) *\] (.*?)(?= \[airflow\.task|$)", "".join(seen), re.MULTILINE)

    return read


def test_a_job_that_succeeds(bench: Bench) -> None:
    result = bench.run("true")
    assert (result["namespace"], result["succeeded"], result["failed"]) == (bench.place.namespace, 1, 0)
    (job,) = bench.jobs()
    assert job.metadata.name == result["name"]
    assert job.metadata.annotations["dbt-af-k8s/judged"] == "complete"


def test_a_job_that_succeeds_can_be_deleted(bench: Bench) -> None:
    bench.run("true", delete_completed=True)
    assert bench.jobs() == []


def test_a_job_that_fails_says_why_and_stays_and_the_next_try_makes_another(
    bench: Bench, told: Callable[[], list[str]]
) -> None:
    from dbt_af_k8s.airflow import JobFailedError

    with pytest.raises(JobFailedError, match=r"BackoffLimitExceeded.*container main ended with exit code 3"):
        bench.run("exit 3", delete_completed=True)
    assert any(line.startswith("Event: Warning BackoffLimitExceeded") for line in told())
    (failed,) = bench.jobs()
    again = bench.run("true")
    assert again["name"] == f"{failed.metadata.name}-2"


def test_a_task_that_is_cleared_runs_again(bench: Bench) -> None:
    first, second = bench.run("true"), bench.run("true")
    assert second["name"] == f"{first['name']}-2"


def test_a_job_of_a_worker_that_died_is_taken_over(bench: Bench, told: Callable[[], list[str]]) -> None:
    flag = bench.folder / "go"
    with bench.running(f"while ! test -f {flag}; do sleep 0.1; done") as (_, job):
        operator = bench.operator("exit 9")
        threading.Timer(0.5, flag.touch).start()
        result = operator.execute(bench.context)
        assert result["name"] == job.metadata.name
        assert len(bench.jobs()) == 1
    assert any("of an earlier try (running): it is taken over" in line for line in told())


def test_a_job_that_ended_while_nobody_looked_is_the_result(bench: Bench) -> None:
    from dbt_af_k8s.jobs.run import JUDGED

    first = bench.run("true")
    patch = {"metadata": {"annotations": {JUDGED: None}}}
    bench.batch.patch_namespaced_job(first["name"], bench.place.namespace, patch)
    assert bench.run("exit 9")["name"] == first["name"]


def test_a_lost_answer_makes_no_second_job(bench: Bench, stand_in: "Cluster") -> None:
    from cluster_server.faults import RequestFault

    fault = RequestFault("create", "jobs", code=504, after_doing=True)
    stand_in.fail_requests(fault)
    bench.run("true")
    assert fault.times == 0
    assert len(bench.jobs()) == 1


@pytest.mark.parametrize("code", [429, 500])
def test_a_bad_moment_of_the_cluster_passes(bench: Bench, stand_in: "Cluster", code: int) -> None:
    from cluster_server.faults import RequestFault

    faults = [RequestFault(verb, "jobs", code=code, times=1) for verb in ("list", "get")]
    for fault in faults:
        stand_in.fail_requests(fault)
    bench.run("true")
    assert [fault.times for fault in faults] == [0, 0]


def test_a_killed_task_deletes_its_job(bench: Bench) -> None:
    with bench.running("sleep 60") as (operator, _):
        operator.on_kill()
        assert bench.jobs() == []


def test_a_killed_task_can_suspend_its_job_and_the_next_try_resumes_it(bench: Bench) -> None:
    flag = bench.folder / "go"
    script = f"while ! test -f {flag}; do sleep 0.1; done"
    with bench.running(script, on_kill_action="suspend") as (operator, job):
        operator.on_kill()
        bench.until(lambda: bench.jobs()[0].spec.suspend)
        flag.touch()
        result = bench.operator("exit 9").execute(bench.context)
        assert result["name"] == job.metadata.name
        assert not bench.jobs()[0].spec.suspend


def test_a_killed_task_can_leave_its_job_alone(bench: Bench) -> None:
    with bench.running("sleep 60", on_kill_action="keep") as (operator, job):
        operator.on_kill()
        assert [each.metadata.name for each in bench.jobs()] == [job.metadata.name]


def test_an_indexed_job(bench: Bench, told: Callable[[], list[str]]) -> None:
    spec = "  completionMode: Indexed\n  completions: 3\n  parallelism: 2"
    result = bench.run("echo index $JOB_COMPLETION_INDEX", spec=spec, tail_logs_only_at_end=True)
    assert result["succeeded"] == 3
    lines = [line.partition("] ")[2] for line in told() if "] index" in line]
    assert sorted(lines) == ["index 0", "index 1", "index 2"]


def test_a_suspended_job_waits_for_its_queue(bench: Bench, told: Callable[[], list[str]]) -> None:
    def admit() -> None:
        (job,) = bench.until(bench.jobs)
        assert job.metadata.labels["kueue.x-k8s.io/queue-name"] == "gpus"
        bench.until(lambda: any("waiting in the queue gpus" in line for line in told()))
        bench.batch.patch_namespaced_job(job.metadata.name, bench.place.namespace, {"spec": {"suspend": False}})

    thread = threading.Thread(target=admit)
    thread.start()
    result = bench.run("true", spec="  suspend: true", queue="gpus", startup_timeout=1)
    thread.join(SOON)
    assert result["succeeded"] == 1


def test_a_line_of_the_log_is_told_once_while_the_job_runs(bench: Bench, told: Callable[[], list[str]]) -> None:
    script = "for i in 1 2 3 4 5; do echo line $i; sleep 0.5; done"
    bench.run(script, tail_logs_every=1)
    lines = [line.partition("] ")[2] for line in told() if "] line" in line]
    assert lines == [f"line {number}" for number in range(1, 6)]


def test_only_the_last_lines(bench: Bench, told: Callable[[], list[str]]) -> None:
    bench.run("for i in 1 2 3 4 5; do echo line $i; done", tail_logs_line_count=2, tail_logs_only_at_end=True)
    lines = [line.partition("] ")[2] for line in told() if "] line" in line]
    assert lines == ["line 4", "line 5"]


def test_a_job_whose_image_is_not_there_is_given_up(bench: Bench) -> None:
    from dbt_af_k8s.airflow import JobFailedError

    if bench.place.stand_in is not None:
        from cluster_server.faults import PodFault

        bench.place.stand_in.fail_pods(PodFault("image_pull", container="main"))
    else:
        bench.place = SimpleNamespace(**{**vars(bench.place), "shell_image": "not.there.example/x:1"})  # type: ignore[assignment]
    with pytest.raises(JobFailedError, match=r"given up: no pod came to run within 1 s.*image of container main"):
        bench.run("true", startup_timeout=1)
    assert bench.until(lambda: not bench.jobs())


def test_a_job_that_somebody_deletes_fails_its_task(bench: Bench) -> None:
    from dbt_af_k8s.airflow import JobFailedError

    def delete() -> None:
        (job,) = bench.until(bench.jobs)
        bench.batch.delete_namespaced_job(job.metadata.name, bench.place.namespace, propagation_policy="Background")

    thread = threading.Thread(target=delete)
    thread.start()
    with pytest.raises(JobFailedError, match="is gone, and nobody saw its end"):
        bench.run("sleep 60")
    thread.join(SOON)


def test_without_a_suffix_another_runs_job_is_no_prey(bench: Bench) -> None:
    from dbt_af_k8s.airflow import JobRefusedError

    first = bench.run("true", name_suffix=False)
    assert first["name"] == "export"
    # The same run again replaces its own, which is over.
    assert bench.run("true", name_suffix=False)["name"] == "export"
    bench.run_id = "manual__another"
    with pytest.raises(JobRefusedError, match=r"There is a Job .*/export already; it belongs to manual__test_without"):
        bench.run("true", name_suffix=False)


def test_what_the_cluster_refuses_is_told_on_one_line_without_a_retry(bench: Bench) -> None:
    from dbt_af_k8s.airflow import JobRefusedError

    with pytest.raises(JobRefusedError, match="making the Job failed: 404") as refused:
        bench.run("true", namespace="not-there")
    assert "\n" not in str(refused.value)


def test_what_an_account_may_not_do_is_told_without_a_retry(bench: Bench, stand_in: "Cluster") -> None:
    from dbt_af_k8s.airflow import JobRefusedError

    config_file = stand_in.account_kubeconfig(bench.place.namespace, "default")
    with pytest.raises(JobRefusedError, match="looking for the Job failed: 403 Forbidden"):
        bench.run("true", config_file=config_file)


def deferred(bench: Bench, call: Callable[[], Any]) -> Any:
    """What a task does that defers: the trigger's event goes to `resume`, until there is a result."""
    from airflow.sdk.exceptions import TaskDeferred

    try:
        return call()
    except TaskDeferred as waits:
        _, arguments = waits.trigger.serialize()
        trigger = type(waits.trigger)(**json.loads(json.dumps(arguments)))

        async def fire() -> Any:
            return await asyncio.wait_for(anext(aiter(trigger.run())), SOON)

        event = json.loads(json.dumps(asyncio.run(fire()).payload))
        bench.events.append(event)
        fresh = bench.operator("not used", deferrable=True, **bench.arguments)
        going_on = dict(waits.kwargs or {})
        method = getattr(fresh, waits.method_name)
        return deferred(bench, lambda: method(bench.context, event, **going_on))


@pytest.mark.parametrize("script", ["true", "exit 3"])
def test_a_deferred_job(bench: Bench, script: str) -> None:
    from dbt_af_k8s.airflow import JobFailedError

    operator = bench.operator(script, deferrable=True)
    if script == "true":
        assert deferred(bench, lambda: operator.execute(bench.context))["succeeded"] == 1
    else:
        with pytest.raises(JobFailedError, match="ended with exit code 3"):
            deferred(bench, lambda: operator.execute(bench.context))
    (event,) = bench.events
    assert event["job"]["status"]["conditions"]


def test_a_deferred_job_tells_its_log_in_between_and_each_line_once(
    bench: Bench, told: Callable[[], list[str]]
) -> None:
    bench.arguments = {"tail_logs_every": 1}
    operator = bench.operator("for i in 1 2 3; do echo line $i; sleep 1; done", deferrable=True, **bench.arguments)
    deferred(bench, lambda: operator.execute(bench.context))
    lines = [line.partition("] ")[2] for line in told() if "] line" in line]
    assert lines == ["line 1", "line 2", "line 3"]


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "followed"])
def test_a_sidecar_that_holds_a_job_up_is_named_once(
    bench: Bench,
    stand_in: "Cluster",
    deferrable: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dbt_af_k8s.jobs import sidecars

    monkeypatch.setattr(sidecars, "PATIENCE", 0.5)
    proxy = {"name": "proxy", "image": bench.place.shell_image, "command": ["sh", "-c", "sleep 6"]}
    stand_in.inject(proxy, "export-*")
    operator = bench.operator("true", deferrable=deferrable)
    result = deferred(bench, lambda: operator.execute(bench.context)) if deferrable else operator.execute(bench.context)
    assert result["succeeded"] == 1
    words = "main (exit code 0) has ended, and proxy goes on: the Job cannot complete before."
    assert capsys.readouterr().out.count(words) == 1


def test_a_deferred_task_that_is_killed_deletes_its_job(bench: Bench) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as waits:
        bench.operator("sleep 60", deferrable=True).execute(bench.context)
    asyncio.run(waits.value.trigger.on_kill())
    bench.until(lambda: not bench.jobs())


def test_a_claim_is_around_the_job(bench: Bench) -> None:
    from dbt_af_k8s.airflow import VolumeClaim, with_volume_claim

    operator = with_volume_claim(bench.operator("true"), VolumeClaim("scratch", "1Mi"))
    dag = operator.dag
    make, remove = (dag.get_task(f"export__{name}") for name in ("volume", "volume_removal"))
    assert (make.is_setup, remove.is_teardown) == (True, True)
    assert operator.upstream_task_ids == {"export__volume"}
    assert remove.upstream_task_ids == {"export", "export__volume"}
    dag.validate_setup_teardown()
    name = make.execute(bench.context)
    assert make.execute(bench.context) == name
    assert bench.claims() == [name]
    assert operator.variables(bench.context)["volume_claim"] == name
    assert remove.execute(bench.context) == name
    assert not bench.claims()
    assert remove.execute(bench.context) == name


def with_claim(bench: Bench, script: str, **arguments: Any) -> tuple[Any, Any, Any]:
    """A job whose pod mounts its run's claim, and the tasks around it."""
    from dbt_af_k8s.airflow import VolumeClaim, with_volume_claim

    operator = bench.operator(script, **arguments)
    path = Path(operator.template)
    mounted = (
        "          volumeMounts: [{name: scratch, mountPath: /scratch}]\n"
        '      volumes: [{name: scratch, persistentVolumeClaim: {claimName: "{{ volume_claim }}"}}]\n'
    )
    path.write_text(path.read_text(encoding="utf-8") + mounted, encoding="utf-8")
    with_volume_claim(operator, VolumeClaim("scratch", "1Mi"))
    make, remove = (operator.dag.get_task(f"export__{name}") for name in ("volume", "volume_removal"))
    return make, operator, remove


def claim_or_none(bench: Bench, name: str) -> Any:
    found = bench.core.list_namespaced_persistent_volume_claim(bench.place.namespace).items
    return next((claim for claim in found if claim.metadata.name == name), None)


@pytest.mark.parametrize("script", ["true", "exit 3"])
def test_a_removed_claim_is_gone_though_the_jobs_pod_held_it(bench: Bench, script: str) -> None:
    from dbt_af_k8s.airflow import JobFailedError

    make, job, remove = with_claim(bench, script)
    name = make.execute(bench.context)
    with suppress(JobFailedError):
        job.execute(bench.context)
    assert remove.execute(bench.context) == name
    # Not only asked to go: what still stood there with a `deletionTimestamp` would be the next try's hang.
    assert claim_or_none(bench, name) is None
    # The job stays for whoever looks into a failure.
    assert len(bench.jobs()) == 1


def test_a_claim_that_somebody_else_holds_is_told_with_who_holds_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt_af_k8s.airflow import JobFailedError
    from dbt_af_k8s.airflow.jobs import volume_claim

    make, _, remove = with_claim(bench, "true")
    name = make.execute(bench.context)
    holder = {
        "metadata": {"name": "holder"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": bench.place.shell_image, "command": ["sh", "-c", "true"]}],
            "volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": name}}],
        },
    }
    bench.core.create_namespaced_pod(bench.place.namespace, holder)
    monkeypatch.setattr(volume_claim, "DELETION", 1)
    monkeypatch.setattr(volume_claim, "_ROUND", 0.2)
    with pytest.raises(JobFailedError, match=r"it is still there .* Pods that use it: holder"):
        remove.execute(bench.context)
    bench.core.delete_namespaced_pod("holder", bench.place.namespace, grace_period_seconds=0)
    assert remove.execute(bench.context) == name
    assert claim_or_none(bench, name) is None


@pytest.mark.parametrize("keep", [False, True])
def test_a_claim_that_is_going_is_not_taken(bench: Bench, stand_in: "Cluster", keep: bool) -> None:
    from cluster_server.objects_api import SlowDeletion

    from dbt_af_k8s.airflow import VolumeClaim, with_volume_claim

    operator = with_volume_claim(bench.operator("true"), VolumeClaim(f"going-{str(keep).lower()}", "1Mi", keep=keep))
    make = operator.dag.get_task("export__volume")
    name = make.execute(bench.context)
    first = claim_or_none(bench, name).metadata.uid
    stand_in.slow_deletion(SlowDeletion("persistentvolumeclaims", name, seconds=1.0))
    bench.core.delete_namespaced_persistent_volume_claim(name, bench.place.namespace)
    assert claim_or_none(bench, name).metadata.deletion_timestamp is not None
    assert make.execute(bench.context) == name
    now = claim_or_none(bench, name)
    assert (now.metadata.uid != first, now.metadata.deletion_timestamp) == (True, None)
    stand_in.clear_faults()
    bench.core.delete_namespaced_persistent_volume_claim(name, bench.place.namespace)


@pytest.fixture
def plain_name(bench: Bench) -> None:
    """Nothing has the name that a job without suffix gets."""
    from kubernetes.client import ApiException

    with suppress(ApiException):
        bench.batch.delete_namespaced_job("export", bench.place.namespace, propagation_policy="Background")
    jobs = lambda: bench.batch.list_namespaced_job(bench.place.namespace, field_selector="metadata.name=export").items  # noqa: E731
    bench.until(lambda: not jobs())


@pytest.mark.usefixtures("plain_name")
def test_without_a_suffix_a_job_that_is_still_going_is_not_taken(bench: Bench, stand_in: "Cluster") -> None:
    from cluster_server.objects_api import SlowDeletion

    from dbt_af_k8s.airflow import JobFailedError

    with pytest.raises(JobFailedError):
        bench.run("exit 3", name_suffix=False)
    (failed,) = bench.jobs()
    stand_in.slow_deletion(SlowDeletion("jobs", "export", seconds=1.0))
    assert bench.run("true", name_suffix=False)["succeeded"] == 1
    (made,) = bench.jobs()
    assert made.metadata.uid != failed.metadata.uid


@pytest.mark.usefixtures("plain_name")
def test_a_job_that_dies_between_the_look_and_the_making_is_waited_for(
    bench: Bench, stand_in: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list shows no job, and the name is taken by one that is being deleted: never ours."""
    from cluster_server.objects_api import SlowDeletion

    from dbt_af_k8s.airflow import JobFailedError
    from dbt_af_k8s.airflow.cluster_calls import Cluster as Calls

    with pytest.raises(JobFailedError):
        bench.run("exit 3", name_suffix=False)
    stand_in.slow_deletion(SlowDeletion("jobs", "export", seconds=1.0))
    bench.batch.delete_namespaced_job("export", bench.place.namespace, propagation_policy="Background")
    monkeypatch.setattr(Calls, "jobs", lambda self, namespace, selector: [])
    assert bench.run("true", name_suffix=False)["succeeded"] == 1


@pytest.mark.usefixtures("plain_name")
def test_a_job_that_never_goes_fails_the_task_and_says_what_holds_it(
    bench: Bench, stand_in: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster_server.objects_api import SLOW, SlowDeletion

    from dbt_af_k8s.airflow import JobFailedError
    from dbt_af_k8s.airflow.jobs import template

    with pytest.raises(JobFailedError):
        bench.run("exit 3", name_suffix=False)
    stand_in.slow_deletion(SlowDeletion("jobs", "export", seconds=None))
    monkeypatch.setattr(template, "DELETION", 0.6)
    with pytest.raises(JobFailedError, match=f"still there after 0.6 s, held by .*{SLOW}"):
        bench.run("true", name_suffix=False)
    bench.batch.patch_namespaced_job("export", bench.place.namespace, {"metadata": {"finalizers": None}})


def test_a_claim_that_is_kept_stays_and_is_used_again(bench: Bench) -> None:
    from dbt_af_k8s.airflow import VolumeClaim, with_volume_claim

    operator = with_volume_claim(bench.operator("true"), VolumeClaim("kept", "1Mi", keep=True))
    make, remove = (operator.dag.get_task(f"export__{name}") for name in ("volume", "volume_removal"))
    for _ in range(2):
        assert make.execute(bench.context) == remove.execute(bench.context) == "kept"
    assert bench.claims() == ["kept"]
    bench.core.delete_namespaced_persistent_volume_claim("kept", bench.place.namespace)


def test_the_cluster_and_the_namespace_of_a_connection(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"kube_config_path": str(bench.place.kubeconfig), "namespace": bench.place.namespace}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    result = bench.run("true", kubernetes_conn_id="shop", config_file=None, namespace=None)
    assert result["namespace"] == bench.place.namespace


def test_the_namespace_of_a_context(bench: Bench, stand_in: "Cluster") -> None:
    config_file = stand_in.write_kubeconfig(stand_in.access.admin_token, "own", bench.place.namespace)
    result = bench.run("true", config_file=config_file, cluster_context="stand-in", namespace=None)
    assert result["namespace"] == bench.place.namespace
