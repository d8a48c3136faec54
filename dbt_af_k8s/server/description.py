"""The OpenAPI description without a running server, for the documentation."""

import tempfile
from pathlib import Path
from typing import Any

from dbt_af_k8s.server.app import make_app
from dbt_af_k8s.server.database import SqliteDatabase
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.outputs import Outputs
from dbt_af_k8s.server.projects import Projects
from dbt_af_k8s.server.service import Service
from dbt_af_k8s.server.settings import ProjectSection, ServerConfig
from dbt_af_k8s.server.store import Store
from dbt_af_k8s.server.workers import Workers


def describe() -> dict[str, Any]:
    """What `/openapi.json` says, with the default settings. Nothing is started."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dbt_project.yml").touch()
        database = SqliteDatabase(folder / "state.sqlite")
        try:
            config = ServerConfig(projects={"shop": ProjectSection(project_dir=".")})
            projects, metrics = Projects(config, folder, database), Metrics()
            workers = Workers(config, database, projects, metrics, owner="nobody", environment={})
            store, outputs = Store(database), Outputs(database)
            return make_app(
                Service(config, database, store, outputs, projects, workers, metrics, authenticator=None)
            ).openapi()
        finally:
            database.close()
