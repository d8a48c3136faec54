"""`make demo`: every kind of DAG of the shop, once, by real Airflow.

It only runs commands that you can run yourself, and prints each of them. Nothing of your own Airflow is touched.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
DATABASE = PROJECT / "target" / "demo.duckdb"
MAP = PROJECT / "target" / "domains.html"
#: Where `dbt-af-k8s run` leaves what came of its last call.
LAST_RUN = PROJECT / "target" / "dbt_af_k8s" / "airflow" / "last_run.json"

#: Monday, seven o'clock in Berlin. Each DAG runs for the last interval of its schedule that has ended by then.
NOW = "2026-01-12T06:00:00+00:00"

#: DAGs that run beside those with a schedule, in the same call of Airflow. They need what the others have built.
BESIDES = ("sales__large_tests__daily", "science__manual")

RESULTS = {
    "The newest visits (web, hourly)": """
        select visit_hour, channel, visits from visits_by_hour order by visit_hour desc, channel limit 4""",
    "Sunday by channel (sales, daily, after all 24 hours of web)": """
        select channel, visits, orders, value_eur from conversion
        where visit_date = '2026-01-11' order by visits desc, channel""",
    "Ordered and paid by day (finance, at 06:30 in Berlin)": "select * from revenue_by_day order by order_date",
    "What each channel cost and brought in the week (marketing, weekly)": """
        select * from channel_report order by value_eur desc""",
}

HOURS = "select min(visit_hour) as first_hour, max(visit_hour) as last_hour, count(*) as rows from visits_by_hour"


@dataclass(frozen=True, slots=True)
class Scene:
    """One more call of Airflow, and the rows that it leaves."""

    heading: str
    #: What to look at, in one or two sentences.
    words: str
    #: Arguments of `dbt-af-k8s run`.
    argv: tuple[str, ...]
    title: str
    query: str


def form(**fields: object) -> tuple[str, str]:
    """The form that a person would fill in to start a DAG."""
    return "--form", json.dumps(fields)


#: What comes after the schedules. Another kind of DAG, or of node, is another row here or a name in `BESIDES`.
SCENES = (
    Scene(
        "Maintenance keeps a table small",
        "`visits_by_hour` feeds a screen that shows three days. Its `ttl` deletes what is older.",
        ("web__maintenance", "--date", NOW),
        "What is left: three days up to the end of Sunday, and Monday morning",
        HOURS,
    ),
    Scene(
        "A backfill brings two days back",
        "Someone asks for Wednesday and Thursday again: a range of time, cut into days, one run each.",
        (
            "web__backfill",
            *form(start_dttm="2026-01-07", end_dttm="2026-01-09", chunk="day", models="visits_by_hour"),
        ),
        "The hours of Wednesday and Thursday are back",
        HOURS,
    ),
    Scene(
        "One model, by hand",
        "The schedule skipped `spring_sale`, which is enabled in March only. A person may try it today.",
        ("shop_dbt_run_model", *form(models="spring_sale", extra={"threads": 1}), "--date", NOW),
        "What it would have said of January",
        "select * from spring_sale order by order_date limit 3",
    ),
)

console = Console()


def run(*argv: str) -> None:
    """Print a command and run it; stop the demo when it fails."""
    console.print(f"\n[bold cyan]$ {shlex.join(argv)}[/]", highlight=False, soft_wrap=True)
    done = subprocess.run([BIN / argv[0], *argv[1:]], cwd=PROJECT, check=False)
    if done.returncode != 0:
        sys.exit(f"The demo stops here: the command above failed (exit code {done.returncode}).")


def run_dags(*argv: str) -> list[dict[str, Any]]:
    """Run DAGs; what came of each run."""
    run("dbt-af-k8s", "run", *argv)
    runs: list[dict[str, Any]] = json.loads(LAST_RUN.read_text(encoding="utf-8"))["runs"]
    return runs


def plan() -> dict[str, Any]:
    """The plan, as every other tool can read it."""
    argv = [BIN / "dbt-af-k8s", "plan", "--format", "json"]
    answer = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=True)
    return dict(json.loads(answer.stdout))


def in_order(dags: list[dict[str, Any]]) -> list[str]:
    """Ids of the scheduled DAGs and of those that they wait for, each after those that it waits for."""
    waits = {
        dag["dag_id"]: sorted({task["waits_for"]["dag_id"] for task in dag["tasks"] if task["kind"] == "wait"})
        for dag in dags
        if dag["kind"] == "scheduled"
    }
    return list(TopologicalSorter(waits).static_order())


def show(title: str, query: str) -> None:
    """Print the rows of a query as a table."""
    with duckdb.connect(str(DATABASE), read_only=True) as connection:
        answer = connection.execute(query)
        table = Table(*(column[0] for column in answer.description or ()), box=box.SIMPLE_HEAD)
        for row in answer.fetchall():
            table.add_row(*(str(value) for value in row))
    console.print(f"\n[bold]{title}[/]")
    console.print(table)


def show_what_ran(runs: list[dict[str, Any]], kinds: dict[str, str]) -> None:
    """Print each DAG that ran, by kind, with what became of its tasks."""
    table = Table("Kind", "DAG", "Runs", "Tasks", "Time", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[-1].justify = table.columns[2].justify = "right"
    before = ""
    dags = list(dict.fromkeys(run["dag_id"] for run in runs))
    in_turn = list(dict.fromkeys(kinds[dag_id] for dag_id in dags))
    for dag_id in sorted(dags, key=lambda dag_id: in_turn.index(kinds[dag_id])):
        mine = [run for run in runs if run["dag_id"] == dag_id]
        states = Counter(task["state"] for run in mine for task in run["tasks"])
        told = [f"{states['success']} done", *(f"{states[state]} {state}" for state in ("skipped",) if states[state])]
        kind = kinds[dag_id].replace("_", " ")
        table.add_row(
            kind if kind != before else "",
            dag_id,
            str(len(mine)),
            ", ".join(told),
            f"{sum(run['seconds'] for run in mine):.0f} s",
        )
        before = kind
    console.print(table)


def main() -> None:
    """Parse, plan, run, show."""
    began = time.monotonic()
    DATABASE.unlink(missing_ok=True)
    os.environ["SHOP_DUCKDB"] = str(DATABASE)
    os.environ["DBT_PROFILES_DIR"] = str(PROJECT)
    console.rule("1. dbt reads the project, with our package of macros")
    run("dbt-af-k8s", "package", "install")
    run("dbt", "parse", "--quiet")

    console.rule("2. The plan: every DAG, before there is any Airflow")
    run("dbt-af-k8s", "plan")
    planned = plan()["dags"]
    dags = [*in_order(planned), *BESIDES]

    console.rule(f"3. Airflow runs {len(dags)} DAGs, one interval each")
    runs = run_dags(*dags, "--date", NOW)

    console.rule("4. The rows that came out")
    for title, query in RESULTS.items():
        show(title, query)

    for number, scene in enumerate(SCENES, start=5):
        console.rule(f"{number}. {scene.heading}")
        console.print(f"\n{scene.words}")
        runs += run_dags(*scene.argv)
        show(scene.title, scene.query)

    console.rule(f"{5 + len(SCENES)}. The map of the domains")
    run("dbt-af-k8s", "graph", "--output", str(MAP.relative_to(PROJECT)))

    console.rule(f"{6 + len(SCENES)}. What ran")
    show_what_ran(runs, {dag["dag_id"]: dag["kind"] for dag in planned})
    console.print(
        f"Done in {time.monotonic() - began:.0f} seconds. All of it is one line: dags/shop.py\n\n"
        "[bold]Look at[/]\n"
        f"  {MAP.relative_to(PROJECT.parent)}  (in a browser: who waits for whom)\n"
        "  example_project/README.md  (what the shop shows, and in which file)\n"
        "[bold]Then try[/]\n"
        "  .venv/bin/dbt-af-k8s explain conversion --project-dir example_project\n"
        "  make airflow  (the same DAGs in Airflow's own pages)\n"
        "[bold]With your own dbt project[/]\n"
        "  docs/tutorial/first-project.md",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
