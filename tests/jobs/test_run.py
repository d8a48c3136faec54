"""Names and labels of a job, and which job a later try takes over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.jobs.run import (
    JUDGED,
    SUSPENDED,
    JobRun,
    longest_name,
    prepared_job,
    state_of,
    suspension,
    to_adopt,
    was_suspended_by_us,
)
from dbt_af_k8s.k8s.names import is_dns_label, is_label_value


def template(name: str | None = "export", **spec: Any) -> dict[str, Any]:
    metadata = {} if name is None else {"name": name}
    return {"metadata": metadata, "spec": {**spec, "template": {"spec": {"containers": [{"name": "main"}]}}}}


def there(name: str, at: int = 0, ended: str | None = None, **metadata: Any) -> dict[str, Any]:
    conditions = [] if ended is None else [{"type": ended, "status": "True"}]
    about = {"name": name, "creationTimestamp": f"2026-03-01T00:00:{at:02}Z", **metadata}
    return {"metadata": about, "status": {"conditions": conditions}}


def test_a_second_run_is_no_conflict_and_the_same_run_has_the_same_name(run: JobRun) -> None:
    names = {
        prepared_job(template(), each, namespace="shop")["metadata"]["name"]
        for each in (
            run,
            JobRun(run.dag_id, run.task_id, run.run_id),
            JobRun(run.dag_id, run.task_id, "manual__1"),
            JobRun(run.dag_id, run.task_id, run.run_id, 0),
            JobRun(run.dag_id, run.task_id, run.run_id, 1),
        )
    }
    assert len(names) == 4


def test_a_name_that_a_former_job_has_is_counted_up(run: JobRun) -> None:
    first = prepared_job(template(), run, namespace="shop")["metadata"]["name"]
    second = prepared_job(template(), run, namespace="shop", taken=(first,))["metadata"]["name"]
    third = prepared_job(template(), run, namespace="shop", taken=(first, second))["metadata"]["name"]
    assert (second, third) == (f"{first}-2", f"{first}-3")


def test_without_suffix_the_name_is_that_of_the_template(run: JobRun) -> None:
    made = prepared_job(template(), run, namespace="shop", name_suffix=False, taken=("export",))
    assert made["metadata"]["name"] == "export"


@pytest.mark.parametrize("name", [None, "generated"])
def test_without_a_name_there_is_always_a_suffix(run: JobRun, name: str | None) -> None:
    job = template(None)
    if name is not None:
        job["metadata"]["generateName"] = f"{name}-"
    made = prepared_job(job, run, namespace="shop", name_suffix=False)["metadata"]
    assert made["name"] == f"{name or 'export'}-{run.mark}"
    assert "generateName" not in made


def test_labels_of_the_template_stay_and_ours_are_added_to_job_and_pods(run: JobRun) -> None:
    job = template()
    job["metadata"]["labels"] = {"team": "shop"}
    made = prepared_job(job, run, namespace="shop")
    assert made["metadata"]["labels"]["team"] == "shop"
    assert run.labels.items() <= made["metadata"]["labels"].items()
    assert made["spec"]["template"]["metadata"]["labels"] == run.labels
    assert made["metadata"]["namespace"] == "shop"
    assert job["metadata"] == {"name": "export", "labels": {"team": "shop"}}


@given(base=st.text(max_size=90), run_id=st.text(min_size=1, max_size=90), completions=st.integers(1, 10**6))
def test_names_and_labels_are_always_legal(base: str, run_id: str, completions: int) -> None:
    run = JobRun("d" * 200, "tâche", run_id, 3)
    taken: list[str] = []
    spec = {"completionMode": "Indexed", "completions": completions}
    for _ in range(3):
        made = prepared_job(template(base, **spec), run, namespace="shop", taken=taken)
        taken.append(made["metadata"]["name"])
        assert is_dns_label(f"{taken[-1]}-{completions - 1}")
    assert len(set(taken)) == 3
    assert all(is_label_value(value) for value in run.labels.values())


def test_room_for_the_index() -> None:
    assert longest_name({}) == 63
    assert longest_name({"completionMode": "Indexed", "completions": 10}) == 61
    assert longest_name({"completionMode": "Indexed", "completions": 11}) == 60


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], None),
        ([there("a")], "a"),
        ([there("a", deletionTimestamp="2026-03-01T00:00:00Z")], None),
        ([there("a", 1), there("b", 2)], "b"),
        # What is under way comes before what succeeded while nobody looked.
        ([there("a", 1), there("b", 2, "Complete")], "a"),
        ([there("b", 2, "Complete")], "b"),
        # A failed one belongs to a try that is over, and so does one whose end was told.
        ([there("a", 1, "Failed")], None),
        ([there("a", 1, "Complete", annotations={JUDGED: "complete"})], None),
    ],
)
def test_which_job_is_taken_over(jobs: list[dict[str, Any]], expected: str | None) -> None:
    for order in (jobs, jobs[::-1]):
        found = to_adopt(order)
        assert (found and found["metadata"]["name"]) == expected


def test_a_job_is_over_when_a_condition_says_so() -> None:
    assert state_of(there("a")) == "running"
    assert state_of(there("a", ended="SuccessCriteriaMet")) == "running"
    assert state_of(there("a", ended="Complete")) == "complete"
    assert state_of(there("a", ended="Failed")) == "failed"
    assert state_of({"metadata": {}, "status": {"conditions": [{"type": "Failed", "status": "False"}]}}) == "running"


def test_only_a_job_that_we_suspended_is_resumed() -> None:
    ours = {"metadata": {"annotations": {SUSPENDED: "true"}}, "spec": {"suspend": True}}
    assert was_suspended_by_us(ours)
    assert not was_suspended_by_us({"metadata": {}, "spec": {"suspend": True}})
    assert not was_suspended_by_us({**ours, "spec": {"suspend": False}})
    assert suspension(False)["metadata"]["annotations"] == {SUSPENDED: None}
