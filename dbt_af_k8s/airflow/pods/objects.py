"""Calls to the cluster that Airflow's pod manager does not have, and what their answers say in one line."""

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from typing import Any, TypeVar

from airflow.providers.cncf.kubernetes.utils.container import container_is_completed
from airflow.providers.cncf.kubernetes.utils.pod_manager import (
    PodManager,
    PodNotFoundException,
    await_pod_start,
    detect_pod_terminate_early_issues,
)
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from dbt_af_k8s.dbt.log_frames import is_frame
from dbt_af_k8s.k8s.pod_trouble import event_lines
from dbt_af_k8s.pods.parts import BASE

Failure = TypeVar("Failure", bound=BaseException)
#: Answers of the API.
_CONFLICT, MISSING = 409, 404
#: Seconds for a connection, and without a byte of a log that is read at once.
_LOG_TIMEOUT = (60, 60)
#: Seconds between two looks at a pod whose log has ended.
_LOOK_EVERY = 0.5


class ScriptPodManager(PodManager):
    """Airflow's pod manager, with less talk and a few calls more."""

    def __init__(self, keep: Callable[[str], None], kube_client: Any, callbacks: Any) -> None:
        """`keep` gets the lines of a log that are for machines (`dbt.log_frames`)."""
        super().__init__(kube_client=kube_client, callbacks=callbacks)
        self._keep = keep

    async def await_pod_start(self, pod: Any, *given: Any, **more: Any) -> None:
        """Wait until the script begins; another container that never does is no matter."""
        await await_pod_start(_BaseAlone(self), pod, *given, **more)  # type: ignore[arg-type]

    def await_pod_completion(self, pod: Any, *_: Any, **__: Any) -> Any:
        """The pod when its script has ended, or cannot begin; what other containers do does not matter."""
        while True:
            there = self.read_pod(pod)
            is_over = there.status.phase in ("Succeeded", "Failed") or container_is_completed(there, BASE)
            if is_over or detect_pod_terminate_early_issues(as_of_base(there)):
                return there
            time.sleep(_LOOK_EVERY)

    def await_xcom_sidecar_container_start(self, *_: Any, **__: Any) -> None:
        """There is none: the script's own container hands on its result (`pods.supervise`)."""

    def _log_message(self, message: str, *given: Any, **more: Any) -> None:
        """What Airflow's own calls for each message of a container that it follows."""
        lines = message.splitlines()
        for line in lines:
            if is_frame(line):
                self._keep(line)
        told = [line for line in lines if not is_frame(line)]
        if any(told):
            self.log_text("\n".join(told), *given, **more)

    def log_text(self, text: str, *given: Any, **more: Any) -> None:
        """What a container has written goes into the task's log."""
        super()._log_message(text, *given, **more)

    def hand_on(self, line: str) -> None:
        """One line of the log of a script that the triggerer has waited for."""
        self._log_message(line, BASE, container_name_log_prefix_enabled=False, log_formatter=None)

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

    def run_pod_async(self, pod: Any, **more: Any) -> Any:
        """Make a pod. Where its name is taken, an earlier call has made it and its answer was lost: that is the pod.

        Airflow's own would write the whole pod into the log where the cluster refuses it.
        """
        body = self._client.api_client.sanitize_for_serialization(pod)
        try:
            return self._client.create_namespaced_pod(body=body, namespace=pod.metadata.namespace, **more)
        except ApiException as refused:
            if refused.status != _CONFLICT:
                raise
            there = self.read_pod_if_any(pod)
            if there is None or not _is_same(pod, there):
                raise
            return there

    def read_pod_if_any(self, pod: Any) -> Any:
        """The pod as it is now; None where there is none."""
        try:
            return self.read_pod(pod)
        except ApiException as refused:
            if refused.status != MISSING:
                raise
            return None

    def make(self, body: Mapping[str, Any]) -> None:
        """Make a ConfigMap or a Secret; one that is there already is the same."""
        calls = {
            "ConfigMap": self._client.create_namespaced_config_map,
            "Secret": self._client.create_namespaced_secret,
        }
        try:
            calls[body["kind"]](namespace=body["metadata"]["namespace"], body=dict(body))
        except ApiException as refused:
            if refused.status != _CONFLICT:
                raise

    def delete_secret(self, namespace: str, name: str) -> str | None:
        """Delete a Secret, which may be gone already; why it could not be, or None."""
        try:
            self._client.delete_namespaced_secret(name=name, namespace=namespace)
        except (ApiException, HTTPError) as refused:
            _, status, said = one_line(refused)
            return None if status == MISSING else said
        return None

    def end_of_log(self, pod: Any, container: str, lines: int) -> list[str]:
        """The last lines of a container's log, without time stamps."""
        answer = self._client.read_namespaced_pod_log(
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            container=container,
            tail_lines=lines,
            _preload_content=False,
        )
        return list(answer.data.decode("utf-8", "replace").splitlines())

    def try_to_delete(self, pod: Any) -> None:
        """Delete a pod that may not be there, in a cluster that may not answer."""
        with suppress(Exception):
            self.delete_pod(pod)

    def copy_log(self, pod: Any, container: str, log: Any) -> None:
        """Copy what a container has written into the task's log."""
        try:
            # As bytes: the client (36.0) makes `b'...'` of a log that it reads itself.
            answer = self._client.read_namespaced_pod_log(
                name=pod.metadata.name,
                namespace=pod.metadata.namespace,
                container=container,
                _preload_content=False,
                _request_timeout=_LOG_TIMEOUT,
            )
            data = answer.data
        except (ApiException, HTTPError) as refused:
            log.warning("The log of container %s cannot be read: %s", container, one_line(refused)[2])
            return
        for line in data.decode("utf-8", "replace").splitlines():
            log.info("[%s] %s", container, line)

    @staticmethod
    def shown(pod: Mapping[str, Any]) -> str:
        """A pod for the log."""
        return json.dumps(pod, indent=1)


class _BaseAlone:
    """A pod manager for Airflow's wait for the start of a pod."""

    def __init__(self, manager: PodManager) -> None:
        self._manager = manager
        self.log = manager.log
        #: Airflow sets it when the pod has started.
        self.stop_watching_events = False

    def read_pod(self, pod: Any) -> Any:
        return as_of_base(self._manager.read_pod(pod))


def as_of_base(pod: Any) -> Any:
    """The pod as if its script's container were its only one: Kubernetes calls it pending while any has not begun."""
    statuses = [each for each in pod.status.container_statuses or () if each.name == BASE]
    seen = copy(pod)
    seen.status = copy(pod.status)
    seen.status.container_statuses = statuses or None
    if pod.status.phase == "Pending" and any(each.state.running or each.state.terminated for each in statuses):
        seen.status.phase = "Running"
    return seen


def look(manager: PodManager, pod: Any, *, with_events: bool) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """A pod as plain JSON, and the lines of its events."""
    plain = ApiClient().sanitize_for_serialization(pod)
    lines: tuple[str, ...] = ()
    if with_events:
        # What the events say is a help; whoever may not read them still gets the verdict.
        with suppress(Exception):
            events = manager.read_pod_events(pod).items
            lines = tuple(event_lines([ApiClient().sanitize_for_serialization(event) for event in events]))
    return plain, lines


def owned_by(pod: Any, body: Mapping[str, Any], volume: str) -> Mapping[str, Any] | None:
    """A ConfigMap or Secret under the name by which this pod mounts it, owned by the pod; None where it mounts none."""
    name = mounted_name(pod, volume)
    if name is None:
        return None
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
    metadata = {
        **body["metadata"],
        "name": name,
        "namespace": pod.metadata.namespace,
        "ownerReferences": [owner],
    }
    return {**body, "metadata": metadata}


def mounted_name(pod: Any, volume: str) -> str | None:
    """Name of the ConfigMap or Secret in a pod's volume; None where there is none."""
    for each in pod.spec.volumes or ():
        if each.name == volume and each.config_map is not None:
            return str(each.config_map.name)
        if each.name == volume and each.secret is not None:
            return str(each.secret.secret_name)
    return None


def one_line(failure: BaseException) -> tuple[bool, int | None, str]:
    """Whether the API is at fault, the status with which it answered (None: it did not), and its words in one line.

    Airflow's own "returned a failure" stands over what made it give up, so what came before counts.
    """
    refused = of_chain(failure, ApiException)
    if refused is not None:
        said = str(refused.reason or "")
        with suppress(ValueError, TypeError, KeyError):
            said = str(json.loads(refused.body)["message"])
        return True, refused.status or None, _line(said)
    origin = failure.__context__ or failure
    is_silence = of_chain(failure, HTTPError) is not None
    return is_silence, None, _line(str(origin)) or type(origin).__name__


def is_missing(failure: BaseException) -> bool:
    """Whether the pod was looked for and is not there any more."""
    return of_chain(failure, PodNotFoundException) is not None


def of_chain(failure: BaseException, wanted: type[Failure]) -> Failure | None:
    """The failure of that type which led to this one, if any."""
    seen: list[BaseException] = []
    found: BaseException | None = failure
    while found is not None and found not in seen:
        if isinstance(found, wanted):
            return found
        seen.append(found)
        found = found.__cause__ or found.__context__
    return None


def _is_same(asked: Any, there: Any) -> bool:
    """Whether the pod is the one that was asked for: of the same try of the same task."""
    labels = there.metadata.labels or {}
    return all(labels.get(key) == value for key, value in (asked.metadata.labels or {}).items())


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")[:500]
