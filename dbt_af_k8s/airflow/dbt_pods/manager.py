"""The log of a pod in which dbt runs, as dbt's own lines."""

import logging
from collections.abc import Callable
from typing import Any

from dbt_af_k8s.airflow.pods.objects import ScriptPodManager
from dbt_af_k8s.dbt.logs import LogLine
from dbt_af_k8s.dbt.place import OnLine

#: Words with which the program in the pod begins its lines (`dbt.in_pod`).
_LEVELS = (("WARNING: ", logging.WARNING), ("ERROR: ", logging.ERROR), ("CRITICAL: ", logging.CRITICAL))


class DbtPodManager(ScriptPodManager):
    """Hands on what dbt says, and keeps what is for machines to itself."""

    def __init__(self, on_line: OnLine, keep: Callable[[str], None], kube_client: Any, callbacks: Any) -> None:
        """`keep` gets the lines that belong to an answer (`dbt.pod_job`), `on_line` all others."""
        super().__init__(keep, kube_client, callbacks)
        self._on_line = on_line

    def log_text(self, text: str, *_: Any, **__: Any) -> None:
        """Each line with its level."""
        for line in text.splitlines():
            word, level = next((row for row in _LEVELS if line.startswith(row[0])), ("", logging.INFO))
            self._on_line(LogLine(level, line.removeprefix(word)))
