"""A job that is under way, as a task sees it: its progress, its pods' output, its end."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dbt_af_k8s.airflow.cluster_calls import Cluster, ClusterError
from dbt_af_k8s.jobs.run import state_of
from dbt_af_k8s.jobs.sidecars import HeldUp
from dbt_af_k8s.jobs.tail import LogPosition, TailSettings, new_lines
from dbt_af_k8s.jobs.verdict import full_name, progress_of, stuck
from dbt_af_k8s.k8s.pod_trouble import event_lines, pod_trouble

#: Seconds that a look at a log reaches back before the one before it: clocks differ.
_OVERLAP = 5.0
#: Most pods, and events of one object, that a failure tells of.
_MOST_PODS = 3
_MOST_EVENTS = 20


class JobWatch:
    """What a task tells of its job. `positions` is how far the logs were read before, if they were (`snapshot`)."""

    def __init__(
        self, cluster: Cluster, tail: TailSettings, log: Any, positions: Mapping[str, Any] | None = None
    ) -> None:
        self._cluster = cluster
        self._tail = tail
        self._log = log
        self._positions = {
            key: LogPosition(str(stamp), int(count)) for key, (stamp, count) in (positions or {}).items()
        }
        self._last_look: float | None = None
        self._told = ""
        self._held_up = HeldUp()

    def tell_progress(self, job: Mapping[str, Any]) -> None:
        """One line where something has changed since the last."""
        text = str(progress_of(job))
        if text != self._told:
            self._told = text
            self._log.info("Job %s: %s", full_name(job), text)

    def tell_logs(self, job: Mapping[str, Any], *, at_end: bool = False) -> None:
        """Copy what is new in the pods' output, where that is asked for and due."""
        if not self._tail.is_on or (self._tail.only_at_end and not at_end):
            return
        since = None if self._last_look is None else time.monotonic() - self._last_look
        if not at_end and since is not None and since < self._tail.seconds:
            return
        self._last_look = time.monotonic()
        try:
            for pod in self._cluster.pods(job):
                self._tell_log_of(pod, since)
        except ClusterError as error:
            # The job's end is what counts; its output stays in the cluster.
            self._log.warning("%s", error)

    def _tell_log_of(self, pod: Mapping[str, Any], since: float | None) -> None:
        statuses = pod.get("status") or {}
        for key in ("initContainerStatuses", "containerStatuses"):
            for status in statuses.get(key) or ():
                if "running" not in (status.get("state") or {}) and "terminated" not in (status.get("state") or {}):
                    continue
                place = f"{pod['metadata']['name']}/{status['name']}"
                known = place in self._positions
                text = self._cluster.log(
                    pod,
                    str(status["name"]),
                    since=None if since is None or not known else since + _OVERLAP,
                    last=None if known or self._tail.line_count is None else self._tail.line_count,
                )
                position = self._positions.get(place, LogPosition())
                lines, self._positions[place] = new_lines(text, position, self._tail.line_count)
                for line in lines:
                    self._log.info("[%s] %s", place, line)

    def tell_held_up(self, job: Mapping[str, Any]) -> None:
        """One line for each pod whose work has ended while another container goes on, so that the job cannot end."""
        if not self._held_up.is_due(progress_of(job), time.monotonic()):
            return
        try:
            pods = self._cluster.pods(job)
        except ClusterError as error:
            self._log.warning("%s", error)
            return
        for line in self._held_up.news(pods, datetime.now(UTC)):
            self._log.warning("%s", line)

    def snapshot(self) -> dict[str, list[Any]]:
        """How far the logs were read, as JSON values."""
        return {key: [position.stamp, position.count] for key, position in sorted(self._positions.items())}

    def why_stuck(self, job: Mapping[str, Any], patience: int | None) -> str | None:
        """Why nothing of the job gets to run, where that has lasted longer than `patience` seconds."""
        progress = progress_of(job)
        if patience is None or progress.ready or progress.succeeded or progress.failed or not progress.active:
            return None
        return stuck(self._cluster.pods(job), datetime.now(UTC), patience)

    def tell_events(self, job: Mapping[str, Any], pods: list[dict[str, Any]]) -> None:
        """The events of a job that failed, and of those of its pods that say why."""
        namespace = str(job["metadata"]["namespace"])
        told = [pod for pod in pods if pod_trouble(pod) is not None][-_MOST_PODS:]
        for name in (str(job["metadata"]["name"]), *(str(pod["metadata"]["name"]) for pod in told)):
            try:
                lines = event_lines(self._cluster.events(namespace, name))
            except ClusterError as error:
                self._log.warning("%s", error)
                return
            for line in lines[-_MOST_EVENTS:]:
                self._log.info("Event: %s", line)

    def wait(self, job: Mapping[str, Any], *, every: float, patience: int | None) -> tuple[dict[str, Any] | None, str]:
        """Look until the job is over, gone (None), or stuck; the second value says why it is stuck.

        The last state that was seen of a job counts also where it is deleted in the very next moment.
        """
        namespace, name, uid = (str(job["metadata"][key]) for key in ("namespace", "name", "uid"))
        while True:
            found = self._cluster.job(namespace, name)
            if found is None or found["metadata"]["uid"] != uid:
                return None, ""
            self.tell_progress(found)
            if state_of(found) != "running":
                return found, ""
            self.tell_logs(found)
            self.tell_held_up(found)
            reason = self.why_stuck(found, patience)
            if reason is not None:
                return found, reason
            time.sleep(every)
