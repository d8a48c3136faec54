"""What the hand-written pages promise: keys of the plan's JSON, arguments of the Python API, the tables of waits."""

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pages import DOCS, ROOT, read_page

from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.config.settings_integrations import Callbacks, CallbackSettings, Deadline
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection
from dbt_af_k8s.errors import error
from dbt_af_k8s.jobs.values import JobTarget, VolumeClaim
from dbt_af_k8s.plan.codec import to_json
from dbt_af_k8s.plan.scripts import ClaimPlan, JobPlan, PodPlan, VenvPlan
from dbt_af_k8s.plan.values import (
    ArtifactsPlan,
    Control,
    DagKind,
    DagPlan,
    FormField,
    LeftOut,
    NotWaited,
    Plan,
    RefreshPlan,
    TaskKind,
    TaskPlan,
    TaskRef,
    WaitsFor,
)
from dbt_af_k8s.pods.clouds import EksCluster, GkeCluster
from dbt_af_k8s.pods.dbt_values import ConnectionProfile, DbtPod
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, VenvTarget
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval
from dbt_af_k8s.schedule.waits import runs_waited_for

START = datetime(2026, 1, 1, tzinfo=UTC)
#: Keys of free mappings, or those that are described in another row.
VALUES = {"made_up"}


def full_plan() -> Plan:
    """A plan in which no field has its default, so that every key there is gets written."""
    issue = error("code", "message", "fix", file="file", node="node", key="key")
    waits_for = WaitsFor("dag", "task", "node", "all", "0 0 * * *", "UTC", START, True, ("test",), "wait")
    invocation = DbtInvocation(
        "test",
        (DbtSelection("test.p.t", "test", "p", ("p", "t"), ("model.p.m",)),),
        "target",
        Microbatch("day", 3, START),
        "dbt",
        (("NAME", "value"),),
        "operation",
        (("name", "value"),),
    )
    gke = GkeCluster("project", "location", "name", "conn", ("account",), True, True, {"made_up": 1})
    payload = Payload("test.p.t", "name", "file", "source", {"made_up": 1}, (("ref", "relation"),), "this")
    task = TaskPlan(
        task_id="task",
        kind=TaskKind.TEST,
        nodes=("test.p.t",),
        upstream=("other",),
        group="group",
        display_name="name",
        target="target",
        runner="dbt_api",
        runner_options=DbtApiOptions(),
        because="because",
        pool="pool",
        queue="queue",
        executor="executor",
        executor_config={"made_up": 1},
        priority_weight=1,
        retry=RetrySettings(retries=7),
        timeout=1,
        owner="owner",
        max_active=1,
        dbt=invocation,
        waits_for=waits_for,
        poke=1,
        longest_poke=1,
        deferrable=False,
        enable_from=START,
        disable_from=START,
        not_waited=(NotWaited("node", "downstream", "skip", "because"),),
        gate=True,
        not_while=(TaskRef("dag", "task"),),
        on_change=True,
        refresh=RefreshPlan("tableau", "node", ({"made_up": 1},), {"made_up": 1}),
        control=Control.BACKFILL_NODE,
        pod=PodPlan(KubernetesTarget("name", "image"), payload),
        venv=VenvPlan(VenvTarget("name"), payload),
        job=JobPlan(JobTarget("name", "template"), payload),
        claim=ClaimPlan(VolumeClaim("name", "size", "class", ("mode",), keep=True), "namespace"),
        dbt_pod=DbtPod(
            KubernetesTarget("name", "image"),
            "project_dir",
            "manifest",
            "sha",
            "profiles_dir",
            ConnectionProfile("conn", "profile", "target", "adapter", {"made_up": 1}),
            "binding",
            gke,
            EksCluster("name", "region", "conn"),
        ),
        cluster=gke,
    )
    dag = DagPlan(
        "dag", DagKind.SCHEDULED, "domain", "0 0 * * *", "@daily", "UTC", START, True, 2, 3, ("tag",), "owner", "doc"
    )
    calls = Callbacks(("a",), ("a",), ("a",), ("a",), ("a",))
    deadline = Deadline(1, "queued", "a", {"made_up": 1})
    dag = replace(
        dag,
        tasks=(task,),
        form=(FormField("name", "string", "title", "description", "", ("", "one")),),
        callbacks=CallbackSettings(calls, {"made_up": calls}, deadline),
        artifacts=ArtifactsPlan("monte_carlo", "p", {"made_up": 1}, True),
        problems=(issue,),
    )
    return Plan("p", "sha", "1.11", (dag,), (LeftOut("node", "because"),), (issue,), {"made_up": (1, "description")})


def test_the_full_plan_is_full() -> None:
    plan = full_plan()
    for value in (plan.dags[0], plan.dags[0].tasks[0]):
        left = [field.name for field in fields(value) if getattr(value, field.name) == field.default]
        assert left == [], f"give {type(value).__name__} another value there, so that its key is written"


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield key
            yield from keys_of(below)
    elif isinstance(value, list):
        for item in value:
            yield from keys_of(item)


def test_every_key_of_the_plan_s_json_is_on_its_page() -> None:
    text = read_page(DOCS / "reference" / "plan-json.md").text
    told = set(re.findall(r"`(\w+)`", "\n".join(line for line in text.splitlines() if line.startswith("|"))))
    written = set(keys_of(json.loads(to_json(full_plan())))) - VALUES
    assert sorted(written - told) == []


def test_the_example_on_the_page_has_only_keys_that_there_are() -> None:
    page = read_page(DOCS / "reference" / "plan-json.md")
    (example,) = [json.loads(block.text) for block in page.blocks() if block.language == "json"]
    assert set(keys_of(example)) <= set(keys_of(json.loads(to_json(full_plan()))))


def arguments_on(page: str, heading: str) -> set[str]:
    """The names in the first column of the tables below a heading."""
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def arguments_of(call: Any) -> set[str]:
    """The names of a call's arguments, without `self` and what is passed on."""
    return {
        name
        for name, parameter in inspect.signature(call).parameters.items()
        if name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


@pytest.mark.airflow
def test_every_argument_of_the_python_api_is_on_its_page() -> None:
    from dbt_af_k8s import airflow

    page = read_page(DOCS / "reference" / "python-api.md").text
    assert arguments_on(page, "dbt_dags") == arguments_of(airflow.dbt_dags)
    assert arguments_on(page, "DbtWaitSensor") == arguments_of(airflow.DbtWaitSensor.__init__)
    job = arguments_of(airflow.KubernetesJobTemplateOperator.__init__)
    assert arguments_on(page, "KubernetesJobTemplateOperator") == job
    made = arguments_of(airflow.DbtOperator.for_nodes) | arguments_of(airflow.DbtOperator.__init__)
    assert arguments_on(page, "DbtOperator") == made - {"invocation", "project"}
    shared = made - {"microbatch", "nodes", "verb"}
    for own, call in (
        (airflow.DbtFreshnessOperator, airflow.DbtFreshnessOperator.for_source),
        (airflow.DbtFreshnessSensor, airflow.DbtFreshnessSensor.for_source),
        (airflow.DbtMaintenanceOperator, airflow.DbtMaintenanceOperator.for_node),
        (airflow.DbtSeedOnChangeOperator, airflow.DbtSeedOnChangeOperator.for_seed),
    ):
        told = arguments_on(page, own.__name__)
        wanted = arguments_of(call) | arguments_of(own.__init__)
        assert told - shared == wanted - shared - {"base"}, own
    assert all(f"\n## {name}\n" in page for name in airflow.__all__)


def wait_rows() -> Iterator[tuple[str, ...]]:
    """The rows of the checked tables on the page about waits: run, cron, zone, policy, answer."""
    rows, checked = 0, False
    for line in read_page(DOCS / "explanation" / "waits.md").text.splitlines():
        if line == "<!-- checked: waits -->":
            checked = True
        elif checked and line.startswith("| 2"):
            run, upstream, policy, answer = (cell.strip() for cell in line.strip("|").split("|"))
            cron, zone = re.fullmatch(r"`(.+)` (\S+)", upstream).groups()  # type: ignore[union-attr]
            rows += 1
            yield run, cron, zone, policy.strip("`"), answer
        elif not line.startswith("|"):
            checked = False
    assert rows >= 12


@pytest.mark.parametrize("row", list(wait_rows()), ids=lambda row: f"{row[0]}, {row[1]} {row[2]}, {row[3]}")
def test_the_examples_of_waits_are_what_the_waits_do(row: tuple[str, ...]) -> None:
    from dbt_af_k8s.airflow.waits.state import runs_text

    run, cron, zone, policy, answer = row
    start, end = (datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in run.split(" to "))
    assert runs_text(runs_waited_for(Calendar(cron, zone), policy, Interval(start, end), START)) == answer


@pytest.mark.dbt
def test_the_picture_in_the_readme_tells_of_the_shop_as_it_is(parsed_shop: Path, tmp_path: Path) -> None:
    """Its words, not its every point: another version of the layout library may move a box."""
    drawn = tmp_path / "domains.svg"
    argv = [Path(sys.executable).with_name("dbt-af-k8s"), "graph", "--project-dir", parsed_shop, "--output", drawn]
    subprocess.run(argv, check=True, capture_output=True)
    kept = DOCS / "pictures" / "domains.svg"
    if os.environ.get("UPDATE_GOLDENS"):
        kept.write_text(drawn.read_text(encoding="utf-8"), encoding="utf-8")
    words = [re.findall(r">([^<>]+)<", path.read_text(encoding="utf-8")) for path in (kept, drawn)]
    assert words[0] == words[1]


def test_the_shop_s_plan_leaves_out_nothing_for_want_of_support() -> None:
    """What a plan cannot do yet has to be named on the page of limits."""
    plan = json.loads((ROOT / "tests" / "example" / "plan.json").read_text(encoding="utf-8"))
    assert not [left for left in plan["left_out"] if "not supported yet" in left["because"]]
