"""A Kubernetes cluster, as far as commands ask it. The one module that imports the optional `kubernetes` client."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dbt_af_k8s.errors import DbtAfK8sError, UsageError

Answer = TypeVar("Answer")

#: Seconds for one answer, and for the connection.
_TIMEOUT = (10, 30)
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_IN_POD = "KUBERNETES_SERVICE_HOST"
_CONFIG_FILES = "KUBECONFIG"
#: What the client raises for a file that is no kube config.
_NO_KUBE_CONFIG = (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError)
CONFLICT, FORBIDDEN, NOT_FOUND = 409, 403, 404


class KubernetesApiError(DbtAfK8sError):
    """The cluster refused a call, or cannot be reached (then `status` is None)."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class NoClusterError(UsageError):
    """Nothing says which cluster is meant, or the client is not installed."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that one may be allowed to do with a kind of object: `create`, ``, `pods`, `log`."""

    verb: str
    group: str
    resource: str
    subresource: str = ""

    def __str__(self) -> str:
        """`create pods/exec`."""
        whole = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {whole}"


class KubernetesApi:
    """A client of one cluster. Made by `connect`."""

    def __init__(self, api: Any, namespace: str, where: str) -> None:
        from kubernetes import client

        #: Of the context or the pod.
        self.namespace = namespace
        #: The cluster, for a person.
        self.where = where
        self._version = client.VersionApi(api)
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)
        self._authorization = client.AuthorizationV1Api(api)

    def version(self) -> str:
        """Version of the server: `v1.36.1`."""
        return str(self._do("read the version", self._version.get_code).git_version)

    def may(self, permission: Permission, namespace: str) -> bool:
        """Whether this client may do something in a namespace, by a SelfSubjectAccessReview."""
        attributes = {
            "verb": permission.verb,
            "group": permission.group,
            "resource": permission.resource,
            "subresource": permission.subresource,
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        asked = f"ask for the permission to {permission}"
        found = self._do(asked, self._authorization.create_self_subject_access_review, review)
        return bool(found.status.allowed)

    def has_namespace(self, namespace: str) -> bool:
        """Whether there is such a namespace."""
        return self._is_there("namespace", self._core.read_namespace, namespace)

    def has_service_account(self, namespace: str, name: str) -> bool:
        """Whether the namespace has such a service account."""
        return self._is_there("service account", self._core.read_namespaced_service_account, name, namespace)

    def quotas(self, namespace: str) -> Mapping[str, Mapping[str, tuple[str, str]]]:
        """Used and allowed amounts of each resource by quota."""
        found = self._do("list quotas", self._core.list_namespaced_resource_quota, namespace)
        return {
            quota.metadata.name: {
                resource: ((quota.status.used or {}).get(resource, "0"), hard)
                for resource, hard in sorted((quota.status.hard or {}).items())
            }
            for quota in found.items
        }

    def create_job(self, job: Mapping[str, Any], config_map: Mapping[str, Any], namespace: str) -> None:
        """Make a Job and the ConfigMap that it mounts; the ConfigMap goes when the Job goes.

        Both are tried by the server before the first is made, and where the second cannot be made the first is removed.
        """
        name, map_name = job["metadata"]["name"], config_map["metadata"]["name"]
        make_map, make_job = self._core.create_namespaced_config_map, self._batch.create_namespaced_job
        self._do(f"create the ConfigMap {map_name}", make_map, namespace, config_map, dry_run="All")
        self._do(f"create the Job {name}", make_job, namespace, job, dry_run="All")
        self._do(f"create the ConfigMap {map_name}", make_map, namespace, config_map)
        try:
            made = self._do(f"create the Job {name}", make_job, namespace, job)
        except KubernetesApiError:
            self._do(f"remove the ConfigMap {map_name}", self._core.delete_namespaced_config_map, map_name, namespace)
            raise
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": made.metadata.uid}
        owned = {"metadata": {"ownerReferences": [owner]}}
        patch = self._core.patch_namespaced_config_map
        self._do(f"give the ConfigMap {map_name} to its Job", patch, map_name, namespace, owned)

    def create_pod(self, pod: Mapping[str, Any], namespace: str, *, dry_run: bool = False) -> str:
        """Make a pod; its name. With `dry_run` the server only says whether it would."""
        options = {"dry_run": "All", "field_validation": "Strict"} if dry_run else {}
        made = self._do("create a pod", self._core.create_namespaced_pod, namespace, pod, **options)
        return str(made.metadata.name)

    def pod(self, name: str, namespace: str) -> Any:
        """A pod, as the client has it."""
        return self._do("read a pod", self._core.read_namespaced_pod, name, namespace)

    def delete_pod(self, name: str, namespace: str) -> None:
        """Remove a pod at once."""
        self._do("delete a pod", self._core.delete_namespaced_pod, name, namespace, grace_period_seconds=0)

    def _is_there(self, what: str, read: Callable[..., Any], *names: str) -> bool:
        try:
            self._do(f"read the {what} {names[0]}", read, *names)
        except KubernetesApiError as refused:
            if refused.status == NOT_FOUND:
                return False
            raise
        return True

    def _do(self, what: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return call(*arguments, _request_timeout=_TIMEOUT, **options)
        except ApiException as refused:
            raise KubernetesApiError(f"Kubernetes does not {what}: {_told(refused)}.", refused.status) from None
        except HTTPError as failed:
            reason = getattr(failed, "reason", None) or failed
            told = str(reason).rpartition(": ")[2] or type(reason).__name__
            raise KubernetesApiError(f"Kubernetes cannot be reached at {self.where}: {told}.") from None
        except ValueError as failed:
            # What the client makes of an answer that lacks what every Kubernetes sends.
            raise KubernetesApiError(f"What answers at {self.where} is no Kubernetes: {failed}.", 0) from None


def _told(refused: Any) -> str:
    try:
        message = json.loads(refused.body).get("message")
    except (TypeError, ValueError, AttributeError):
        message = None
    return str(message or refused.reason or refused.status).rstrip(".")


@contextmanager
def connect(
    env: Mapping[str, str], *, config_file: Path | None = None, context: str | None = None
) -> Iterator[KubernetesApi]:
    """The cluster that is named; else the one around this pod; else that of the kube config.

    Raises `NoClusterError` where there is none, `UsageError` where the one that is named cannot be used.
    """
    try:
        from kubernetes import client, config
    except ImportError:
        fix = "Install it: pip install kubernetes."
        raise NoClusterError(f"The Python client of Kubernetes is not installed here. {fix}") from None
    settings = client.Configuration()
    # One try: whoever asks is told at once.
    settings.retries = False
    if config_file is None and context is None and env.get(_IN_POD):
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException as failed:
            raise NoClusterError(f"This is a pod, but without a token of Kubernetes: {failed}.") from None
        namespace = _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "default"
    else:
        file = str(config_file or env.get(_CONFIG_FILES) or Path(env.get("HOME", ".")) / ".kube" / "config")
        is_named = config_file is not None or context is not None
        namespace = _load_file(config, settings, file, context, is_named=is_named)
    with client.ApiClient(settings) as api:
        yield KubernetesApi(api, namespace, str(settings.host))


def _load_file(config: Any, settings: Any, file: str, context: str | None, *, is_named: bool) -> str:
    """Read the kube config into `settings`; the namespace of its context."""
    try:
        contexts, active = config.list_kube_config_contexts(config_file=file)
        config.load_kube_config(config_file=file, context=context, client_configuration=settings)
        chosen = next((each for each in contexts if each["name"] == context), active)
        return str(chosen["context"].get("namespace") or "default")
    except OSError as failed:
        told = failed.strerror or "it cannot be read"
    except _NO_KUBE_CONFIG:
        told = "it is none"
    except config.ConfigException as failed:
        told = str(failed).removesuffix(".")
        if not is_named and not any(Path(each).exists() for each in file.split(os.pathsep)):
            told = "No cluster is configured here: there is no kube config, and this is no pod"
            raise NoClusterError(f"{told}. Name one with --kube-config or KUBECONFIG.") from None
    raise UsageError(f"The kube config {file} cannot be used: {told}.")
