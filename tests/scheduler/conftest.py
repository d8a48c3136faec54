"""One Airflow session for every test that needs a scheduler."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from scheduler.cases import ALONE, CASES, EARLY, TIMEOUT, UPSTREAMS, WAITING, Case
from scheduler.lab import Lab
from scheduler.session import airflow_session, throw_away

HERE = Path(__file__).parent
#: The file that a user of the library writes.
ONE_LINE = 'from dbt_af_k8s.airflow import dbt_dags; globals().update(dbt_dags("../{project}"))\n'
PROJECTS = ("two_domains", "alarms", "fused")
#: States of a wait that has begun and is not over, in each of its three ways.
WAITS = ("deferred", "up_for_reschedule", "running")


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A running Airflow that knows all DAGs of this folder. Its home stays where a test failed."""
    home = Path(tempfile.mkdtemp(prefix="dbt-af-k8s-scheduler-"))
    failed_before = request.session.testsfailed
    dags = Path(shutil.copytree(HERE / "dags", home / "dags"))
    for project in PROJECTS:
        # Not `<project>.py`: the DAG folder is on the Python path, and the project may have a file of that name.
        (dags / f"{project}_dags.py").write_text(ONE_LINE.format(project=project))
        parse_project(Path(shutil.copytree(HERE / project, home / project)))
    with airflow_session(home, dags) as session:
        lab = Lab(session)
        expected = {*(case.dag_id for case in CASES), *(each.dag_id for each in UPSTREAMS)}
        expected |= {case.blind_dag_id for case in WAITING}
        session.until("Airflow has read waits.py", lambda: expected <= set(lab.dags_or_fail("waits.py")))
        yield lab
    if request.session.testsfailed == failed_before:
        throw_away(home)
    elif reporter := request.config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(f"\nLogs of the Airflow session: {home}")


def parse_project(folder: Path) -> None:
    """Let dbt write the manifest."""
    dbt = str(Path(sys.executable).with_name("dbt"))
    argv = [dbt, "--quiet", "parse", "--profiles-dir", ".", "--no-send-anonymous-usage-stats"]
    subprocess.run(argv, cwd=folder, check=True, timeout=300)


@pytest.fixture(scope="session")
def staged(lab: Lab) -> Lab:
    """Every wait has begun, and what does not wait has ended, before the first upstream run is made."""
    lab.say("fail", "up_failed_upstream", "06-10T00:00")
    lab.say("skip", "up_skipped_upstream", "06-10T00:00")
    lab.say("hold", "up_triggerer_restart", "06-10T00:00")
    lab.say("hold", "up_no_more_than_needed", "06-10T00:00")
    lab.say("hold", "up_cleared_upstream", "06-10T23:00")
    begun: tuple[Case, ...] = tuple(case for case in (*WAITING, *ALONE) if case not in (EARLY, TIMEOUT))
    for case in (*WAITING, *ALONE):
        lab.rest.switch_on(case.dag_id)
    for case in WAITING:
        lab.rest.switch_on(case.blind_dag_id)
    for case in begun:
        lab.until_states(case.dag_id, "wait", WAITS, runs=max(len(case.needs), 1))
    for case in WAITING:
        lab.until_states(case.blind_dag_id, "after", ["success"], runs=len(case.needs))
    for upstream in sorted({case.upstream.dag_id for case in begun}):
        lab.rest.switch_on(upstream)
    return lab
