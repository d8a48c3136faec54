"""Where Airflow's metadata lies: a PostgreSQL server of our own where one can start, else SQLite.

Under a scheduler, a DAG processor, a triggerer and an API server that all write, SQLite answers "database is locked"
now and then, and Airflow passes that on. The sessions come to their end all the same, only slower.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from postgres import NoServerError, running_server


@contextmanager
def metadata_database(home: Path) -> Iterator[str]:
    """The SQLAlchemy address of an empty database, as long as the block lasts."""
    # Not in the home: only its owner may enter that one, and PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="dbt-af-k8s-metadata-"))
    folder.chmod(0o755)
    try:
        with ExitStack() as stack:
            try:
                server = stack.enter_context(contextmanager(running_server)(folder))
                address = f"postgresql+psycopg2://{server.user}@{server.host}:{server.port}/postgres"
            except NoServerError:
                address = f"sqlite:///{home / 'airflow.db'}"
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)
