"""dbt in pods of the stand-in of a cluster, where the project lies as it does here."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes import client
from runners.bench import Bench
from runners.shop import manifest_sha256
from runners.task import Task

from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.pods.dbt_values import DbtPod
from dbt_af_k8s.pods.target import read_runner_pod

if TYPE_CHECKING:
    from cluster_server.place import Place


class PodBench(Bench):
    """The runner `kubernetes_pod`; `more` are settings of its pods."""

    def __init__(self, project: Path, dbt: Path, place: "Place", name: str = "kubernetes_pod", **more: Any) -> None:
        super().__init__(project, dbt)
        self.name = name
        self.place = place
        self.pod = self._pod(more)

    def _pod(self, more: dict[str, Any]) -> DbtPod:
        written: dict[str, Any] = {
            "image_name": self.place.python_image,
            "namespace": self.place.namespace,
            "config_file": str(self.place.kubeconfig),
            "in_cluster": False,
            "env": {"PYTHONPATH": str(Path(__file__).parents[2])},
            **more,
        }
        target, issues = read_runner_pod(written, row="*", file="dbt_af_k8s.yml", defaults={})
        assert target is not None, issues
        pod, sha256 = replace(target, written={}), manifest_sha256(self.project)
        return DbtPod(pod, str(self.project), "target/manifest.json", sha256, str(self.project))

    def options(self) -> None:
        return None

    def at_work(self) -> int:
        with self.place.api_client() as api:
            found = client.CoreV1Api(api).list_namespaced_pod(self.place.namespace).items
        return sum(each.status.phase == "Running" and not each.metadata.deletion_timestamp for each in found)

    def end_all(self) -> None:
        with self.place.api_client() as api:
            client.CoreV1Api(api).delete_collection_namespaced_pod(self.place.namespace, grace_period_seconds=0)

    def task_of(self, name: str, invocation: DbtInvocation, make: Any = None, **base: Any) -> Task:
        return super().task_of(name, invocation, make, pod=self.pod, **base)
