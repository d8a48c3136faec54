"""Where tests of Kubernetes run: the stand-in, or a real cluster in a namespace that is theirs alone.

Variables, all optional: `DBT_AF_K8S_TEST_KUBECONFIG` (a kube config file: that cluster is used), and the images
`DBT_AF_K8S_TEST_PYTHON_IMAGE` (with `python3` and `sh`) and `DBT_AF_K8S_TEST_SHELL_IMAGE` (with `sh` and `pgrep`).
Tests of dbt in pods need an image with their project, `DBT_AF_K8S_TEST_DBT_IMAGE`, and the folder that it was built
from, `DBT_AF_K8S_TEST_DBT_CONTEXT` (`tests/dbt_image.py` writes it); on a real cluster they are left out without.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster_server.container import missing_namespaces
from cluster_server.server import Cluster, cluster
from kubernetes import client, config

KUBECONFIG = "DBT_AF_K8S_TEST_KUBECONFIG"


@dataclass(frozen=True)
class Place:
    """A cluster and the namespace for tests in it."""

    kubeconfig: Path
    namespace: str
    python_image: str
    shell_image: str
    #: None on a real cluster.
    stand_in: Cluster | None
    #: An image with the project of the tests of dbt in pods; empty: there is none.
    dbt_image: str = ""

    def dbt_project_or_skip(self) -> Path:
        """The folder of the project in that image; skips where the variables name none."""
        context = os.environ.get("DBT_AF_K8S_TEST_DBT_CONTEXT")
        if not self.dbt_image or not context:
            pytest.skip("needs an image: DBT_AF_K8S_TEST_DBT_IMAGE and DBT_AF_K8S_TEST_DBT_CONTEXT (see CONTRIBUTING)")
        return Path(context) / "project"

    def api_client(self) -> client.ApiClient:
        """A new client of the API; the caller closes it."""
        return config.new_client_from_config(str(self.kubeconfig))

    @property
    def is_real(self) -> bool:
        return self.stand_in is None


def missing() -> str | None:
    """Why there is no place for these tests; None where there is."""
    return None if os.environ.get(KUBECONFIG) else missing_namespaces()


@contextmanager
def place() -> Iterator[Place]:
    """A fresh namespace, which is deleted in the end with all that is in it."""
    given = os.environ.get(KUBECONFIG)
    namespace = f"dbt-af-k8s-test-{secrets.token_hex(4)}"
    python = os.environ.get("DBT_AF_K8S_TEST_PYTHON_IMAGE", "python:3.12-slim")
    shell = os.environ.get("DBT_AF_K8S_TEST_SHELL_IMAGE", "alpine:3.20")
    if given:
        found = Place(Path(given), namespace, python, shell, None, os.environ.get("DBT_AF_K8S_TEST_DBT_IMAGE", ""))
        with found.api_client() as api:
            yield from _in_namespace(api, found)
    else:
        with cluster() as stand_in:
            found = Place(stand_in.kubeconfig, namespace, python, shell, stand_in)
            with found.api_client() as api:
                yield from _in_namespace(api, found)


def _in_namespace(api: client.ApiClient, found: Place) -> Iterator[Place]:
    core = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": found.namespace}})
    _until_account(core, found.namespace)
    try:
        yield found
    finally:
        core.delete_namespace(found.namespace)


def _until_account(core: client.CoreV1Api, namespace: str) -> None:
    """A pod is refused until the namespace's own service account is there."""
    for _ in range(100):
        if core.list_namespaced_service_account(namespace, field_selector="metadata.name=default").items:
            return
        time.sleep(0.1)
    raise TimeoutError(f"no service account in {namespace}")
