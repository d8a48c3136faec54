"""The calls to a cluster that a job needs: plain JSON in and out, tried again while the cluster has a bad moment."""

import time
from collections.abc import Callable, Mapping
from json import JSONDecodeError, loads
from pathlib import Path
from typing import Any, TypeVar

from dbt_af_k8s.errors import DbtAfK8sError
from dbt_af_k8s.k8s.cluster import ClusterAccess

Answer = TypeVar("Answer")

#: Seconds between the tries of one call.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
#: Statuses that pass: too many requests, and a server in trouble.
_PASSING = (429, 500, 502, 503, 504)
#: Longest pause that a `Retry-After` can ask for, in seconds.
_LONGEST_PAUSE = 60.0
#: Seconds between two looks at what is being deleted.
_LOOK = 0.5
#: Where a pod finds the namespace that it runs in.
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class ClusterError(DbtAfK8sError):
    """A call that the cluster refused, or did not answer; the message is one line."""

    def __init__(self, what: str, status: int | None, said: str) -> None:
        self.status = status
        told = f"{status} {said}".strip() if status else said
        super().__init__(f"Kubernetes: {what} failed: {told}")


class Cluster:
    """One cluster, by Airflow's Kubernetes hook."""

    def __init__(self, access: ClusterAccess) -> None:
        # The provider costs half a second and 80 MB: only tasks that run pay for it.
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

        self._access = access
        self._hook = KubernetesHook(
            conn_id=access.conn_id,
            config_file=access.config_file,
            cluster_context=access.context,
            in_cluster=access.in_cluster,
        )

    def namespace(self) -> str:
        """Where objects go that name no namespace: the connection's, the one we run in, the kubeconfig's."""
        named: str | None = self._hook.get_namespace()
        if named:
            return named
        if self._hook.is_in_cluster:
            return _OWN_NAMESPACE.read_text(encoding="utf-8").strip() if _OWN_NAMESPACE.exists() else "default"
        return self._namespace_of_context() or "default"

    def _namespace_of_context(self) -> str | None:
        from kubernetes.config import ConfigException, list_kube_config_contexts

        try:
            contexts, active = list_kube_config_contexts(self._access.config_file)
        except (ConfigException, OSError):
            return None
        wanted = self._access.context
        chosen = next((each for each in contexts if each["name"] == wanted), None) if wanted else active
        namespace = (chosen or {}).get("context", {}).get("namespace")
        return str(namespace) if namespace else None

    # Jobs

    def create_job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Make a job; the server refuses fields that it does not know. `ClusterError` 409 where the name is taken."""
        namespace = job["metadata"]["namespace"]
        body = dict(job)
        api = self._hook.batch_v1_client
        return self._json(
            "making the Job", lambda: api.create_namespaced_job(namespace, body, field_validation="Strict")
        )

    def jobs(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """The jobs with these labels."""
        api = self._hook.batch_v1_client
        found = self._json("looking for the Job", lambda: api.list_namespaced_job(namespace, label_selector=selector))
        return list(found.get("items") or ())

    def job(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A job; None where there is none."""
        api = self._hook.batch_v1_client
        return self._or_none("reading the Job", lambda: api.read_namespaced_job(name, namespace))

    def patch_job(self, namespace: str, name: str, patch: Mapping[str, Any]) -> None:
        """Change a job; nothing happens where it is gone."""
        api = self._hook.batch_v1_client
        self._or_none("changing the Job", lambda: api.patch_namespaced_job(name, namespace, dict(patch)))

    def delete_job(self, namespace: str, name: str, *, wait: float = 0) -> None:
        """Delete a job and its pods; with `wait` (seconds) come back when it is gone.

        `ClusterError` where it is still there when the time is over.
        """
        api = self._hook.batch_v1_client
        there = self.job(namespace, name) if wait else None
        self._or_none(
            "deleting the Job",
            lambda: api.delete_namespaced_job(
                name, namespace, propagation_policy="Foreground" if wait else "Background"
            ),
        )
        if there is not None:
            self.wait_until_gone("Job", there, wait)

    def wait_until_gone(self, kind: str, there: Mapping[str, Any], wait: float) -> None:
        """Come back when an object that is being deleted, a Job or a PersistentVolumeClaim, is gone.

        `ClusterError` where it is still there after `wait` seconds. Another one of its name is not it.
        """
        metadata = there["metadata"]
        read = self.job if kind == "Job" else self.claim
        end = time.monotonic() + wait
        while True:
            now = read(metadata["namespace"], metadata["name"])
            if now is None or now["metadata"]["uid"] != metadata["uid"]:
                return
            if time.monotonic() >= end:
                held = ", ".join(now["metadata"].get("finalizers") or ())
                by = f", held by {held}" if held else ""
                name = f"{metadata['namespace']}/{metadata['name']}"
                raise ClusterError(f"the deletion of {kind} {name}", None, f"it is still there after {wait:g} s{by}")
            time.sleep(_LOOK)

    # What belongs to a job

    def pods(self, job: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The pods of a job, by name."""
        namespace, uid = job["metadata"]["namespace"], job["metadata"]["uid"]
        api = self._hook.core_v1_client
        selector = f"batch.kubernetes.io/controller-uid={uid}"
        found = self._json("looking for pods", lambda: api.list_namespaced_pod(namespace, label_selector=selector))
        return sorted(found.get("items") or (), key=lambda pod: str(pod["metadata"]["name"]))

    def events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """The events of the object of that name."""
        api = self._hook.core_v1_client
        selector = f"involvedObject.name={name}"
        found = self._json("reading events", lambda: api.list_namespaced_event(namespace, field_selector=selector))
        return list(found.get("items") or ())

    def log(self, pod: Mapping[str, Any], container: str, *, since: float | None, last: int | None) -> str:
        """A container's log with time stamps: of the last `since` seconds, at most the `last` lines."""
        metadata = pod["metadata"]
        options: dict[str, Any] = {"timestamps": True, "container": container}
        if since is not None:
            options["since_seconds"] = max(int(since) + 1, 1)
        if last is not None:
            options["tail_lines"] = last
        api = self._hook.core_v1_client
        answer = self._call(
            "reading a log",
            lambda: (
                api.read_namespaced_pod_log(
                    metadata["name"], metadata["namespace"], _preload_content=False, **options
                ).data
            ),
            tries=2,
        )
        return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)

    # Volume claims

    def create_claim(self, claim: Mapping[str, Any]) -> dict[str, Any]:
        """Make a PersistentVolumeClaim. `ClusterError` 409 where the name is taken."""
        namespace, body = claim["metadata"]["namespace"], dict(claim)
        api = self._hook.core_v1_client
        return self._json(
            "making the PersistentVolumeClaim",
            lambda: api.create_namespaced_persistent_volume_claim(namespace, body, field_validation="Strict"),
        )

    def claim(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A claim; None where there is none."""
        api = self._hook.core_v1_client
        return self._or_none(
            "reading the PersistentVolumeClaim",
            lambda: api.read_namespaced_persistent_volume_claim(name, namespace),
        )

    def delete_claim(self, namespace: str, name: str) -> None:
        """Ask for a claim's deletion. It stays as long as a pod uses it, a finished one included."""
        api = self._hook.core_v1_client
        self._or_none(
            "deleting the PersistentVolumeClaim",
            lambda: api.delete_namespaced_persistent_volume_claim(name, namespace),
        )

    def pods_with_claim(self, namespace: str, claim: str) -> list[dict[str, Any]]:
        """The pods that use a claim, by name."""
        api = self._hook.core_v1_client
        found = self._json("looking for pods", lambda: api.list_namespaced_pod(namespace))
        pods = [pod for pod in found.get("items") or () if claim in _claims_of(pod)]
        return sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))

    def delete_pod(self, pod: Mapping[str, Any]) -> None:
        """Delete a pod, which may be gone already."""
        metadata, api = pod["metadata"], self._hook.core_v1_client
        body = {"preconditions": {"uid": metadata["uid"]}}
        self._or_none(
            "deleting a pod", lambda: api.delete_namespaced_pod(metadata["name"], metadata["namespace"], body=body)
        )

    def _or_none(self, what: str, call: Callable[[], Any]) -> dict[str, Any] | None:
        try:
            return self._json(what, call)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    def _json(self, what: str, call: Callable[[], Any]) -> dict[str, Any]:
        """The answer as the JSON that it was, without what is null in it."""
        plain: dict[str, Any] = self._hook.api_client.sanitize_for_serialization(self._call(what, call))
        return plain

    def _call(self, what: str, call: Callable[[], Answer], *, tries: int = len(_PAUSES)) -> Answer:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        for pause in (*_PAUSES[: tries - 1], None):
            try:
                return call()
            except ApiException as failed:
                if failed.status not in _PASSING or pause is None:
                    raise ClusterError(what, failed.status or None, said_by(failed)) from None
                time.sleep(max(pause, _asked_pause(failed.headers)))
            except HTTPError as failed:
                if pause is None:
                    raise ClusterError(what, None, _one_line(str(failed))) from None
                time.sleep(pause)
        raise ClusterError(what, None, "it was never tried")


def _claims_of(pod: Mapping[str, Any]) -> list[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return [str(each["persistentVolumeClaim"]["claimName"]) for each in volumes if each.get("persistentVolumeClaim")]


def said_by(failed: Any) -> str:
    """What the server said of a refused call, on one line: the message of its status object."""
    body = failed.body.decode("utf-8", "replace") if isinstance(failed.body, bytes) else failed.body
    try:
        message = loads(body or "{}").get("message")
    except (JSONDecodeError, AttributeError):
        message = body
    return _one_line(f"{failed.reason or ''}: {message}" if message else str(failed.reason or "no reason given"))


def _asked_pause(headers: Any) -> float:
    text = str((headers or {}).get("Retry-After") or "")
    return min(float(text), _LONGEST_PAUSE) if text.isdigit() else 0.0


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
