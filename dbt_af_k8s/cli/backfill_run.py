"""`dbt-af-k8s backfill run CONFIG.yml`: start the runs of a one-time job in Airflow, and wait for them."""

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dbt_af_k8s.cli.backfill_progress import (
    LineProgress,
    LiveProgress,
    SilentProgress,
    outcome_as_dict,
    print_outcome,
)
from dbt_af_k8s.cli.one_time_files import JobConfig, read_config
from dbt_af_k8s.cli.options import Format, TextOrJson
from dbt_af_k8s.cli.terminal import console, safe, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from dbt_af_k8s.cluster.one_time import RunProgress
    from dbt_af_k8s.plan.one_time.values import OneTimeRun

AirflowUrl = Annotated[
    str | None,
    typer.Option(
        "--airflow-url",
        help="Address of Airflow. Default: DBT_AF_K8S_AIRFLOW_URL, the configuration's `airflow.url`, or the service "
        "airflow-api-server of the namespace.",
        metavar="URL",
    ),
]


def backfill_run(
    job_config: JobConfig,
    airflow_url: AirflowUrl = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Clear the failed tasks of runs that are there already and failed.")
    ] = False,
    patience: Annotated[
        float, typer.Option("--patience", min=0, help="Seconds to wait for an Airflow that does not answer.")
    ] = 600,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Start the runs of a configuration through Airflow's REST API, in order, and wait for all of them.

    It can be stopped and started again: runs that are there already are found and not started twice. The login comes
    from DBT_AF_K8S_AIRFLOW_TOKEN, DBT_AF_K8S_AIRFLOW_TOKEN_FILE, DBT_AF_K8S_AIRFLOW_USERNAME with
    DBT_AF_K8S_AIRFLOW_PASSWORD, or DBT_AF_K8S_AIRFLOW_LOGIN_DIR. Ends with 1, and names them, where runs failed or were
    not started.
    """
    from dbt_af_k8s.cluster.airflow_api import AirflowApi
    from dbt_af_k8s.cluster.airflow_login import URL_VARIABLE, find_login, find_url
    from dbt_af_k8s.cluster.one_time import check_dag, run_all

    job, _ = read_config(job_config)
    asked, errors = job.asked, console(stderr=True)
    url = find_url(airflow_url or os.environ.get(URL_VARIABLE) or job.airflow_url, os.environ)
    airflow = AirflowApi(
        url,
        find_login(os.environ),
        patience=patience,
        tell=lambda text: errors.print(f"[warning]![/] {safe(text)}"),
    )
    for warning in check_dag(asked, airflow):
        errors.print(f"[warning]![/] {safe(warning)}")
    with _progress(job.runs, output_format) as tell:
        done = run_all(asked, job.runs, airflow, tell=tell, sleep=time.sleep, retry_failed=retry_failed)
    told = outcome_as_dict(done, asked.dag_id, url)
    if output_format is Format.JSON:
        write_json(told)
    else:
        print_outcome(done, asked.dag_id, url)
    if not told["ok"]:
        if not retry_failed and any(each.was_there and each.failed_tasks for each in done):
            errors.print("Runs of an earlier start have failed. Mend the cause, and start again with --retry-failed.")
        raise typer.Exit(1)


def _progress(
    runs: "Sequence[OneTimeRun]", output_format: Format
) -> "AbstractContextManager[Callable[[RunProgress], None]]":
    if output_format is Format.JSON:
        return SilentProgress()
    return LiveProgress(runs, console()) if sys.stdout.isatty() else LineProgress(runs)
