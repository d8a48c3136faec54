"""Tasks whose dbt runs on the odd server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.api import CONNECTION
from runners.bench import Bench
from runners.odd_server import OddServer

from dbt_af_k8s.airflow.integrations.artifacts import FILES
from dbt_af_k8s.config.settings_runners import DbtApiOptions


class OddBench(Bench):
    """Tasks whose dbt runs on the odd server."""

    name = "odd"

    def __init__(self, odd: OddServer) -> None:
        super().__init__(Path("/nowhere"))
        self.odd = odd

    def options(self) -> DbtApiOptions:
        return DbtApiOptions(conn_id=CONNECTION, poke=1, request_timeout=1, patience=3)

    def at_work(self) -> int:
        return 0

    def end_all(self) -> None:
        pass


class Taker:
    """Takes dbt's artefacts, as Monte Carlo would."""

    def refresh(self, resource: Mapping[str, Any]) -> str:
        return "Taken: " + ", ".join(json.loads(Path(resource[name]).read_bytes())["is"] for name in FILES)
