"""Start the server, and bring it to its end: what `dbt-af-k8s serve` does."""

import ipaddress
import logging
import os
import secrets
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import anyio.to_thread
import uvicorn

from dbt_af_k8s.errors import UsageError, gathered
from dbt_af_k8s.server.app import make_app
from dbt_af_k8s.server.auth import Authenticator
from dbt_af_k8s.server.callbacks import CallbackSender
from dbt_af_k8s.server.connections import HEAD_BYTES, IDLE_SECONDS, Connections, most_connections
from dbt_af_k8s.server.database import Database, PostgresDatabase, SqliteDatabase
from dbt_af_k8s.server.environment import gets, hide, read_variables
from dbt_af_k8s.server.json_log import log_as_json
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.outputs import Outputs
from dbt_af_k8s.server.projects import Projects, check_folders
from dbt_af_k8s.server.run_as import DbtUser, dbt_user
from dbt_af_k8s.server.secrets_hashed import read_secret
from dbt_af_k8s.server.service import Service
from dbt_af_k8s.server.settings import ServerConfig
from dbt_af_k8s.server.store import Store
from dbt_af_k8s.server.workers import Workers

LOG = logging.getLogger("dbt_af_k8s.server")
#: How long open requests may take after everything else has ended, in seconds.
_LAST_REQUESTS = 5
#: Requests that are answered at once; each may hold the largest artefact in memory.
_ANSWERING = 16


def serve(config: ServerConfig, folder: Path, environment: Mapping[str, str], *, no_auth: bool) -> None:
    """Serve until SIGTERM or SIGINT. `folder` is that of the settings file. Raises `UsageError`.

    The first signal lets running invocations end within `shutdown_grace`, and is seen in `/readyz`; the second one ends
    them at once.
    """
    variables = read_variables(environment)
    environment = variables.all
    problems: list[str] = []
    authenticator, user = None, DbtUser()
    with gathered(problems):
        authenticator = _authenticator(config, folder, environment, no_auth=no_auth)
    with gathered(problems):
        check_folders(config, folder)
    with gathered(problems):
        _check_certificate(config, folder)
    with gathered(problems):
        user = dbt_user(config.dbt.run_as)
    if problems:
        raise UsageError("\n".join(problems))
    hide(variables, lambda name: gets(name, config))
    database = _database(config, folder, environment)
    log_as_json()
    connections = Connections(most_connections(config.limits.connections, config.limits.concurrency))
    listening = _listen(config, connections)
    metrics = Metrics()
    projects = Projects(config, folder, database)
    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"
    given = {name: value for name, value in environment.items() if gets(name, config)}
    workers = Workers(config, database, projects, metrics, owner=owner, environment=given, user=user)
    service = Service(config, database, Store(database), Outputs(database), projects, workers, metrics, authenticator)
    callbacks = CallbackSender(database, config.callbacks, metrics)
    tls = config.tls
    settings = uvicorn.Config(
        make_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_REQUESTS,
        timeout_keep_alive=IDLE_SECONDS,
        # What is asked of the event loop and of HTTP's reader is known of these.
        loop="asyncio",
        http=connections.protocol(),
        ws="none",
        lifespan="off",
        h11_max_incomplete_event_size=HEAD_BYTES,
        proxy_headers=bool(config.proxies),
        forwarded_allow_ips=list(config.proxies),
        ssl_certfile=None if tls is None else folder / tls.certificate,
        ssl_keyfile=None if tls is None else str(folder / tls.key),
    )
    server = _Server(settings, workers, connections, float(config.shutdown_grace))
    workers.start()
    callbacks.start()
    host, port = listening.getsockname()[:2]
    # Names alone: who misses one in dbt finds it here.
    LOG.info("variables that dbt does not get", extra={"names": sorted(environment.keys() - given.keys())})
    LOG.info("listening", extra={"host": host, "port": port, "owner": owner, "authentication": not no_auth})
    try:
        server.run(sockets=[listening])
    finally:
        workers.drain(0)
        workers.close()
        callbacks.close()
        database.close()
        LOG.info("ended")


class _Server(uvicorn.Server):
    """uvicorn that answers on while invocations come to their end."""

    def __init__(self, settings: uvicorn.Config, workers: Workers, connections: Connections, grace: float) -> None:
        super().__init__(settings)
        self._workers = workers
        self._connections = connections
        self._grace = grace
        self._drain: threading.Thread | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bound the threads that answer, and with them the memory and the database's connections."""
        anyio.to_thread.current_default_thread_limiter().total_tokens = _ANSWERING
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second."""
        if counter % 10 == 0:
            self._connections.sweep()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end, the second one hurries it."""
        if self._drain is None:
            # A thread, for a signal handler may wait for nothing.
            self._drain = threading.Thread(target=self._end, args=(self._grace,), name="drain", daemon=True)
            self._drain.start()
        else:
            threading.Thread(target=self._end, args=(0.0,), name="hurry", daemon=True).start()

    def _end(self, grace: float) -> None:
        LOG.info("ending", extra={"running": self._workers.running(), "grace": grace})
        self._workers.drain(grace)
        self.should_exit = True


def _authenticator(
    config: ServerConfig, folder: Path, environment: Mapping[str, str], *, no_auth: bool
) -> Authenticator | None:
    auth = config.auth
    is_empty = not auth.tokens and auth.tokens_file is None and not auth.users and auth.jwt is None
    if no_auth:
        if not _is_loopback(config.host):
            raise UsageError(f"--no-auth is only for a loopback address, such as 127.0.0.1, and not for {config.host}.")
        return None
    if is_empty:
        raise UsageError(
            "Nobody could call: `auth` in the settings is empty. `dbt-af-k8s serve --new-token NAME` makes a token; "
            "--no-auth does without, on a loopback address."
        )
    return Authenticator(auth, folder, environment)


def _check_certificate(config: ServerConfig, folder: Path) -> None:
    if config.tls is None:
        return
    certificate, key = folder / config.tls.certificate, folder / config.tls.key
    missing = [f"There is no file {file} of `tls`." for file in (certificate, key) if not file.is_file()]
    if missing:
        raise UsageError("\n".join(missing))
    try:
        # A key with a password must not make the server ask for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):
        raise UsageError(
            f"`tls`: {certificate} and {key} are not a certificate and its key without a password, both as PEM."
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _database(config: ServerConfig, folder: Path, environment: Mapping[str, str]) -> Database:
    file, variable = config.state.postgres_file, config.state.postgres_variable
    if file is not None:
        return PostgresDatabase(read_secret(folder / file, "state.postgres_file"))
    if variable is None:
        return SqliteDatabase(folder / config.state.file)
    address = environment.get(variable)
    if not address:
        raise UsageError(f"The environment variable {variable} of `state.postgres_variable` is not set.")
    return PostgresDatabase(address)


def _listen(config: ServerConfig, connections: Connections) -> socket.socket:
    listening = connections.listener(socket.AF_INET6 if ":" in config.host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
    except OSError as reason:
        listening.close()
        raise UsageError(f"Nothing can listen on {config.host}:{config.port}: {reason.strerror or reason}.") from None
    listening.listen(2048)
    return listening
