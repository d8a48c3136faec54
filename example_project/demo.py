"""`make demo`: the shop's DAGs, one interval each, in the order in which they wait for each other, by real Airflow.

It only runs commands that you can run yourself, and prints each of them. Nothing of your own Airflow is touched.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
DATABASE = PROJECT / "target" / "demo.duckdb"
MAP = PROJECT / "target" / "domains.html"

#: Monday, seven o'clock in Berlin. Each DAG runs for the last interval of its schedule that has ended by then.
NOW = "2026-01-12T06:00:00+00:00"

#: A DAG that keeps a table small: it deletes the hours of more than three days ago.
UPKEEP = "web__maintenance"
HOURS = "select min(visit_hour) as first_hour, max(visit_hour) as last_hour, count(*) as rows from visits_by_hour"

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

console = Console()


def run(*argv: str) -> None:
    """Print a command and run it; stop the demo when it fails."""
    console.print(f"\n[bold cyan]$ {shlex.join(argv)}[/]", highlight=False, soft_wrap=True)
    done = subprocess.run([BIN / argv[0], *argv[1:]], cwd=PROJECT, check=False)
    if done.returncode != 0:
        sys.exit(f"The demo stops here: the command above failed (exit code {done.returncode}).")


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
        table = Table(*(column[0] for column in answer.description or ()))
        for row in answer.fetchall():
            table.add_row(*(str(value) for value in row))
    console.print(f"\n[bold]{title}[/]")
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
    dags = in_order(plan()["dags"])
    console.rule(f"3. Airflow runs {len(dags)} DAGs, one interval each")
    run("dbt-af-k8s", "run", *dags, "--date", NOW)
    console.rule("4. The rows that came out")
    for title, query in RESULTS.items():
        show(title, query)
    console.rule("5. Airflow keeps a table small")
    show("visits_by_hour before its maintenance", HOURS)
    run("dbt-af-k8s", "run", UPKEEP, "--date", NOW)
    show("and after: three days up to the end of Sunday, and Monday morning", HOURS)
    console.rule("6. The map of the domains")
    run("dbt-af-k8s", "graph", "--output", str(MAP.relative_to(PROJECT)))
    console.print(
        f"\nDone in {time.monotonic() - began:.0f} seconds. Have a look at\n"
        f"  {MAP.relative_to(PROJECT.parent)}  the domains and who waits for whom, in a browser\n"
        "  dags/shop.py  the one line that made these DAGs\n"
        "  example_project/models/web/visits.sql  a model that loads one interval\n"
        "Then try\n"
        "  .venv/bin/dbt-af-k8s explain conversion --project-dir example_project  why it runs where and when it does\n"
        "  make airflow  the same DAGs in Airflow's own pages",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
