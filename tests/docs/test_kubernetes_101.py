"""The tutorial about Kubernetes: without a cluster as far as that goes, and whole where there is one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from page_runner import PageRunner, page_env
from pages import DOCS, Page, read_page

if TYPE_CHECKING:
    from cluster_server.place import Place

PAGE = DOCS / "tutorial" / "kubernetes-101.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tea"
    made.mkdir()
    return made


@pytest.mark.dbt
@pytest.mark.airflow
@pytest.mark.slow
@pytest.mark.cluster
def test_the_tutorial_works_as_it_is_written(folder: Path, tmp_path: Path, kubernetes: "Place") -> None:
    """In a namespace of its own, by cold programs. On the stand-in, which kubectl cannot check with, once is enough."""
    from kubernetes import client

    with kubernetes.api_client() as api:
        client.CoreV1Api(api).create_namespaced_service_account(
            kubernetes.namespace, {"metadata": {"name": "dbt-pods"}, "automountServiceAccountToken": False}
        )
    env = page_env(tmp_path, Path(sys.executable).parent) | {"KUBECONFIG": str(kubernetes.kubeconfig)}
    env.pop("KUBERNETES_SERVICE_HOST", None)
    has = ("cluster", "kubectl", "time") if kubernetes.is_real else ("cluster",)
    page = in_namespace(kubernetes.namespace, kubernetes.python_image)
    assert PageRunner(folder, env, has).run(page) >= (11 if kubernetes.is_real else 8)


def in_namespace(namespace: str, image: str) -> Page:
    """The page as if the namespace were called so."""
    text = PAGE.read_text(encoding="utf-8")
    for before in ("namespace: dbt\n", "namespace dbt: there", " in dbt", "-n dbt"):
        assert before in text
        text = text.replace(before, before.replace("dbt", namespace))
    return Page(PAGE, text.replace("python:3.13-slim", image))


def test_every_block_that_needs_something_says_what() -> None:
    needed = {block.marker("needs") for block in read_page(PAGE).blocks()} - {None}
    assert needed == {"cluster", "kubectl", "time"}
