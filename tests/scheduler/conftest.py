"""One Airflow session for every test that needs a scheduler."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from scheduler.cases import ALONE, CASES, EARLY, TIMEOUT, UPSTREAMS, WAITING, Case
from scheduler.dbt_server import PROJECT, DbtServer, write_profiles
from scheduler.lab import Lab
from scheduler.session import airflow_session, throw_away

from dbt_af_k8s.dbt.maintenance_package import install_package

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
    (dags / f"{PROJECT}_dags.py").write_text(ONE_LINE.format(project=PROJECT))
    shutil.copytree(HERE / PROJECT, home / PROJECT)
    install_package(home / PROJECT)
    parse_project(home / PROJECT, write_profiles(home))
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


def parse_project(folder: Path, profiles: Path | None = None) -> None:
    """Let dbt write the manifest. The profile lies in the project, or in another folder."""
    dbt = str(Path(sys.executable).with_name("dbt"))
    argv = [dbt, "--quiet", "parse", "--profiles-dir", str(profiles or folder), "--no-send-anonymous-usage-stats"]
    subprocess.run(argv, cwd=folder, check=True, timeout=300)


@pytest.fixture(scope="session", autouse=True)
def by_server(request: pytest.FixtureRequest) -> Iterator[Future[DbtServer] | None]:
    """A dbt server and tasks that it works for. They begin beside all other tests: what they wait for takes time.

    None where no test wants them.
    """
    if not any(item.path.name == "test_run_by_server.py" for item in request.session.items):
        yield None
        return
    lab = request.getfixturevalue("lab")
    server = DbtServer(lab)
    with ThreadPoolExecutor(1) as beside:
        try:
            yield beside.submit(begin_by_server, server)
        finally:
            beside.shutdown(cancel_futures=True)
            server.stop()


def begin_by_server(server: DbtServer) -> DbtServer:
    """`held` gets the only place for a dbt, and the others queue behind it; one of them loses its worker."""
    lab = server.lab
    dags = {f"{name}__daily" for name in ("held", "marked", "cleared", "calm")}
    lab.session.until("Airflow has read the DAGs", lambda: dags <= set(lab.dags_or_fail(f"{PROJECT}_dags.py")))
    lab.rest.switch_on("held__daily")
    server.until("held", try_1="STARTED")
    for dag_id in sorted(dags - {"held__daily"}):
        lab.rest.switch_on(dag_id)
    server.kill_worker("calm__daily", "orders")
    return server


@pytest.fixture(scope="session")
def server(by_server: Future[DbtServer] | None) -> DbtServer:
    """Every task is deferred, and one of them at work."""
    assert by_server is not None
    found = by_server.result()
    for name, task in (("held", "held"), ("marked", "marked"), ("cleared", "cleared"), ("calm", "orders")):
        found.lab.until_state(f"{name}__daily", task, "deferred")
    return found


@pytest.fixture(scope="session")
def after_losses(server: DbtServer) -> DbtServer:
    """The same, after the tests in which something gets lost."""
    assert server.was_killed, "run the whole file: its tests build on each other"
    return server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What comes to its end without anybody's help is looked at last."""
    items.sort(key=lambda item: "after_losses" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def staged(lab: Lab) -> Lab:
    """Every wait has begun, and what does not wait has ended, before the first upstream run is made."""
    lab.say("fail", "up_failed_upstream", "06-10T00:00")
    lab.say("skip", "up_skipped_upstream", "06-10T00:00")
    lab.say("hold", "up_triggerer_restart", "06-10T00:00")
    lab.say("hold", "up_no_more_than_needed", "06-10T00:00")
    lab.say("hold", "up_run_marked_failed", "06-10T00:00")
    lab.say("hold", "up_run_too_long", "06-10T00:00")
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
