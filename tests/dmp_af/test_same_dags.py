"""dmp-af, dbt-af's successor for Airflow 3, and this library open the same projects: which DAGs and tasks differ.

Compared are DAGs and their schedules, tasks, the order of the tasks that both have, and what each wait waits for. Each
difference stands in a golden with its reason, and has a row in docs/how-to/move-from-dbt-af.md. UPDATE_GOLDENS=1 writes
the goldens anew; a difference without a reason fails in any case.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from moved_fields import DBT_AF_CONFIG
from situations import DBT_AF, SITUATIONS

from dbt_af_k8s.config.written import Config
from dbt_af_k8s.plan.project import plan_project
from dbt_af_k8s.plan.request import PlanRequest

pytestmark = [pytest.mark.airflow, pytest.mark.dbt]
GOLDENS = Path(__file__).parent / "differences"
Dags = Mapping[str, Mapping[str, Any]]
NAMES = tuple(name for name in SITUATIONS if name != "kubernetes")

#: What is told once for all DAGs or tasks that differ in nothing else: backfills of domains, and numbered waits.
ALIKE = ((re.compile(r"^[a-z]__backfill:"), "<domain>__backfill:"), (re.compile(r"__\d+ "), "__<number> "))

BACKFILL_RUNS = "A form asks for the range; dmp-af runs daily and skips its work until a person clears it."
OWN_WINDOW = "A node skips itself outside its window; in a backfill the form says what runs."
ONE_GATE = "One gate for each source and DAG, none in backfills; and it is in no node's group."
LAST_TEST = "The only test of a node closes it: no endpoint is needed."
ONE_WAIT = "One wait for all runs of the interval, where dmp-af has one for each."
TWO_WAITS = "Two nodes with two policies get two waits; in dmp-af the first one's is used for both."

#: Why they differ: the first row whose pattern is found in the line.
REASONS: tuple[tuple[str, str], ...] = (
    (r"__backfill: schedule", BACKFILL_RUNS),
    (r"__backfill: task (branch|do_nothing|start_work) is in dmp-af", BACKFILL_RUNS),
    (r"__backfill: task (choose|next_chunk) is here", "They read the form, and start the next chunk."),
    (r"__backfill: task medium_tests", "Medium tests block nothing, so a backfill does not run them."),
    (r"schedule `0-59/15 ", "Another spelling of the same minutes."),
    (r"_branch is in dmp-af", OWN_WINDOW),
    (r"__backfill: task a_(new|old)__bf", OWN_WINDOW),
    (r"wait_freshness__.* is in dmp-af", ONE_GATE),
    (r"task fresh__.* is here", ONE_GATE),
    (r"task ([ab]_one(__bf)?__group\.)?[ab]_one(__bf)? is .* only$", ONE_GATE),
    (r"__freshness: the DAG is here", "dmp-af looks at sources before their readers alone, and runs no tests on them."),
    (r"task a__freshness__dependencies__group", "Readers wait for the tests of a source."),
    (r"__end is in dmp-af", LAST_TEST),
    (r"waits for .*__end'\] in dmp-af", LAST_TEST),
    (r"vacuum_table.* comes before persist_docs.* here", "Operations on one table run one after the other."),
    (r"wait__a_hour__(<number>|all) is", ONE_WAIT),
    (r"wait__a_hour is here", TWO_WAITS),
)


def ours(project: Path, situation: str) -> Dags:
    """Our DAGs in the shape of `open_with_dmp_af`."""
    request = PlanRequest(
        project,
        manifest=project / "target" / f"{situation}.json",
        profiles_dir=project,
        config=Config.model_validate({**DBT_AF, "targets": {"default": "daily"}}),
    )
    plan = plan_project(request, {})
    assert not [issue for issue in plan.issues if issue.is_error]
    return {
        dag.dag_id: {
            "schedule": dag.schedule,
            "tasks": {
                task.task_id: {
                    "upstream": list(task.upstream),
                    "waits_for": [task.waits_for.dag_id, task.waits_for.task_id] if task.waits_for else None,
                }
                for task in dag.tasks
            },
        }
        for dag in plan.dags
    }


def plain(value: Any, situation: str) -> Any:
    """The same without the prefix that makes names unique in the project."""
    if isinstance(value, Mapping):
        return {plain(key, situation): plain(each, situation) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each, situation) for each in value]
    return value.replace(f"{situation}__", "") if isinstance(value, str) else value


def before(tasks: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    """All tasks that come before each, at any distance."""
    found: dict[str, frozenset[str]] = {}
    while len(found) < len(tasks):
        for task_id, task in tasks.items():
            if task_id not in found and all(up in found for up in task["upstream"]):
                found[task_id] = frozenset(task["upstream"]).union(*(found[up] for up in task["upstream"]))
    return found


def differences(theirs: Dags, here: Dags) -> Iterator[str]:
    for dag_id in sorted({*theirs, *here}):
        if dag_id not in here or dag_id not in theirs:
            yield f"{dag_id}: the DAG is {'in dmp-af' if dag_id in theirs else 'here'} only"
            continue
        their_dag, our_dag = theirs[dag_id], here[dag_id]
        if their_dag["schedule"] != our_dag["schedule"]:
            yield f"{dag_id}: schedule `{their_dag['schedule']}` in dmp-af, `{our_dag['schedule']}` here"
        their_tasks, our_tasks = their_dag["tasks"], our_dag["tasks"]
        for task_id in sorted({*their_tasks, *our_tasks}):
            if task_id not in our_tasks or task_id not in their_tasks:
                yield f"{dag_id}: task {task_id} is {'in dmp-af' if task_id in their_tasks else 'here'} only"
            elif their_tasks[task_id]["waits_for"] != our_tasks[task_id]["waits_for"]:
                yield (
                    f"{dag_id}: {task_id} waits for {their_tasks[task_id]['waits_for']} in dmp-af, "
                    f"{our_tasks[task_id]['waits_for']} here"
                )
        yield from other_order(dag_id, before(their_tasks), before(our_tasks))


def other_order(dag_id: str, theirs: Mapping[str, frozenset[str]], here: Mapping[str, frozenset[str]]) -> Iterator[str]:
    both = set(theirs) & set(here)
    for task_id in sorted(both):
        for other in sorted((theirs[task_id] ^ here[task_id]) & both):
            where = "in dmp-af" if other in theirs[task_id] else "here"
            yield f"{dag_id}: {other} comes before {task_id} {where} only"


def told_once(line: str) -> str:
    for pattern, instead in ALIKE:
        line = pattern.sub(instead, line)
    return line


def reason(line: str) -> tuple[str, str]:
    """The row of the table that explains a difference; two empty texts where none does."""
    return next((row for row in REASONS if re.search(row[0], line)), ("", ""))


@pytest.mark.parametrize("situation", NAMES)
def test_each_difference_has_a_reason(opened: Mapping[str, Any], project: Path, situation: str) -> None:
    theirs = plain(opened[situation], situation)
    assert "fault" not in theirs, theirs["fault"]
    here = plain(ours(project, situation), situation)
    found = Counter(told_once(line) for line in differences(theirs, here))
    assert not [line for line in found if reason(line) == ("", "")]
    told = [
        f"{line}{f' ({count} of them)' if count > 1 else ''}\n    {reason(line)[1]}\n"
        for line, count in sorted(found.items())
    ]
    text = "".join(told) or "No difference.\n"
    golden = GOLDENS / f"{situation}.txt"
    if os.environ.get("UPDATE_GOLDENS") and not os.environ.get("CI"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("no_cluster_keys", "KeyError: 'py_cluster'"),
        ("tests_in_one_yaml", "ValueError: Could not find parent node for medium test"),
    ],
)
def test_projects_that_open_here_only(opened: Mapping[str, Any], project: Path, name: str, fault: str) -> None:
    assert opened[name]["fault"].startswith(fault)
    assert "a__daily" in ours(project, name)


def test_every_reason_is_needed() -> None:
    lines = [line for name in NAMES for line in (GOLDENS / f"{name}.txt").read_text().splitlines()[::2]]
    needed = {reason(line.partition(" (")[0]) for line in lines}
    assert [row for row in REASONS if row not in needed] == []


def test_config_has_the_fields_that_the_page_speaks_of(opened: Mapping[str, Any]) -> None:
    """dmp-af kept dbt-af's `Config`, so the package tells whether the list of the page's test is whole."""
    assert opened["#config"] == {name: list(fields) for name, fields in DBT_AF_CONFIG.items()}
