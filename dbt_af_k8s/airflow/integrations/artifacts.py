"""Hand dbt's manifest and results over after each dbt task, through the same interface as a refresh."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from dbt_af_k8s.airflow.integrations.refresh import refresher_of
from dbt_af_k8s.airflow.integrations.refresher import RefreshError
from dbt_af_k8s.plan.values import ArtifactsPlan

#: What a provider gets, and what dbt calls it.
FILES = MappingProxyType({"manifest": "manifest.json", "run_results": "run_results.json"})


class Logger(Protocol):
    """As much as is needed of Python's logger, or of Airflow's."""

    def log(self, level: int, event: str, *args: Any) -> Any:
        """Log a message."""
        ...


class ArtifactSender:
    """Hands over the artefacts of one task.

    The provider is a `Refresher`; the resource that it gets has the paths `manifest` and `run_results`, both of one dbt
    process, and `project` and `job`: the dbt project's name, and `<dag_id>.<task_id>`. The files are gone afterwards.
    """

    def __init__(self, plan: ArtifactsPlan, *, job: str) -> None:
        self.plan = plan
        self.job = job

    def send(self, folder: Path, log: Logger, trouble: str | None = None) -> str | None:
        """Hand over what dbt left in its target folder; never raises.

        `trouble` is why the files could not be brought to that folder. Returns what went wrong, where that must fail
        the task; where it need not, it is a warning in the log.
        """
        if trouble is not None:
            return self._told(trouble, log)
        paths = {name: folder / file for name, file in FILES.items()}
        if not all(path.exists() for path in paths.values()):
            log.log(logging.INFO, "dbt left no manifest or results to send.")
            return None
        resource: Mapping[str, Any] = {
            **{name: str(path) for name, path in paths.items()},
            "project": self.plan.project,
            "job": self.job,
        }
        try:
            told = refresher_of(self.plan.provider, self.plan.options).refresh(resource)
        except RefreshError as fault:
            return self._told(str(fault), log)
        log.log(logging.INFO, "%s", told)
        return None

    def _told(self, fault: str, log: Logger) -> str | None:
        log.log(logging.ERROR if self.plan.required else logging.WARNING, "%s", fault)
        return fault if self.plan.required else None
