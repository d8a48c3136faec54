"""dbt in pods of the stand-in of a cluster, where the project lies as it does here."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runners.bench import Bench, Task

from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import compile_project
from dbt_af_k8s.pods.dbt_values import DbtPod
from dbt_af_k8s.pods.target import read_runner_pod

if TYPE_CHECKING:
    from cluster_server.place import Place


class PodBench(Bench):
    """The runner `kubernetes_pod`."""

    name = "kubernetes_pod"

    def __init__(self, project: Path, place: "Place") -> None:
        super().__init__(project)
        self.place = place
        dbt = Path(sys.executable).with_name("dbt")
        subprocess.run([dbt, "--quiet", "parse", "--profiles-dir", "."], cwd=project, check=True)
        compile_project(PlanRequest(project), os.environ)
        self.pod = self._pod()

    def _pod(self) -> DbtPod:
        written: dict[str, Any] = {
            "image_name": self.place.python_image,
            "namespace": self.place.namespace,
            "config_file": str(self.place.kubeconfig),
            "in_cluster": False,
            "env": {"PYTHONPATH": str(Path(__file__).parents[2])},
        }
        target, issues = read_runner_pod(written, row="*", file="dbt_af_k8s.yml", defaults={})
        assert target is not None, issues
        manifest = (self.project / "target" / "manifest.json").read_bytes()
        sha256 = hashlib.sha256(manifest).hexdigest()
        pod = replace(target, written={})
        return DbtPod(pod, str(self.project), "target/manifest.json", sha256, str(self.project))

    def options(self) -> None:
        return None

    def at_work(self) -> int:
        from kubernetes import client

        with self.place.api_client() as api:
            found = client.CoreV1Api(api).list_namespaced_pod(self.place.namespace).items
        return sum(each.status.phase == "Running" and not each.metadata.deletion_timestamp for each in found)

    def task_of(self, name: str, invocation: DbtInvocation, make: Any = None, **base: Any) -> Task:
        return super().task_of(name, invocation, make, pod=self.pod, **base)
