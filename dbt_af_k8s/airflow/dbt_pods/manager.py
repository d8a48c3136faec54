"""The log of a pod in which dbt runs, as dbt's own lines."""

import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dbt_af_k8s.airflow.pods.objects import ScriptPodManager
from dbt_af_k8s.dbt.logs import LogLine
from dbt_af_k8s.dbt.place import OnLine
from dbt_af_k8s.dbt.pod_job import is_of_answer

#: Words with which the program in the pod begins its lines (`dbt.in_pod`).
_LEVELS = (("WARNING: ", logging.WARNING), ("ERROR: ", logging.ERROR), ("CRITICAL: ", logging.CRITICAL))


class DbtPodManager(ScriptPodManager):
    """Hands on what dbt says, and keeps what is for machines to itself."""

    def __init__(self, on_line: OnLine, keep: Callable[[str], None], kube_client: Any, callbacks: Any) -> None:
        """`keep` gets the lines that belong to an answer (`dbt.pod_job`), `on_line` all others."""
        super().__init__(kube_client=kube_client, callbacks=callbacks)
        self._on_line = on_line
        self._keep = keep

    def _log_message(self, message: str, *_: Any, **__: Any) -> None:
        """What Airflow's own calls for each message of a container that it follows."""
        for line in message.splitlines():
            self.hand_on(line)

    def hand_on(self, line: str) -> None:
        """One line of the pod's log, with its level."""
        if is_of_answer(line):
            self._keep(line)
            return
        word, level = next((row for row in _LEVELS if line.startswith(row[0])), ("", logging.INFO))
        self._on_line(LogLine(level, line.removeprefix(word)))

    def lines_since(self, pod: Any, container: str, since: Any) -> list[str]:
        """The lines of a container's log since the second of that time; None: all.

        The triggerer leaves that second out (Airflow's `fetch_container_logs_before_current_sec`). Kubernetes counts in
        whole seconds, so lines of the second before may come again; none is lost.
        """
        seconds: dict[str, Any] = {}
        if since is not None:
            moment = (datetime.fromisoformat(since) if isinstance(since, str) else since).replace(microsecond=0)
            seconds = {"since_seconds": max(math.ceil((datetime.now(UTC) - moment).total_seconds()), 1)}
        answer = self._client.read_namespaced_pod_log(
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            container=container,
            _preload_content=False,
            **seconds,
        )
        return list(answer.data.decode("utf-8", "replace").splitlines())
