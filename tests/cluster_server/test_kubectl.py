"""kubectl against the cluster, where this machine has it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

pytest.importorskip("kubernetes")

from cluster_server.place import Place

KUBECTL = shutil.which("kubectl")
pytestmark = [pytest.mark.cluster, pytest.mark.airflow, pytest.mark.skipif(KUBECTL is None, reason="needs kubectl")]
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kubectl(kubernetes: Place) -> Call:
    """Call kubectl in the namespace of the tests."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [str(KUBECTL), "--kubeconfig", str(kubernetes.kubeconfig), "--namespace", kubernetes.namespace, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120)

    return call


def test_a_pod_from_a_file(kubectl: Call, kubernetes: Place, tmp_path: Path) -> None:
    script = "trap 'exit 0' TERM; echo said; while true; do sleep 0.2; done"
    base = {"name": "base", "image": kubernetes.shell_image, "command": ["sh", "-c", script]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "by-hand"}, "spec": {"containers": [base]}}
    file = tmp_path / "pod.yml"
    file.write_text(yaml.safe_dump(pod))
    assert kubectl("apply", "-f", str(file)).stdout == "pod/by-hand created\n"
    assert kubectl("apply", "-f", str(file)).stdout == "pod/by-hand unchanged\n"
    waited = kubectl("wait", "--for=condition=Ready", "pod/by-hand", "--timeout=60s")
    assert waited.returncode == 0, waited.stderr
    assert kubectl("get", "po", "--output=name").stdout.count("pod/by-hand") == 1
    assert kubectl("logs", "by-hand").stdout == "said\n"
    inside = kubectl("exec", "by-hand", "--", "sh", "-c", "echo inside; exit 3")
    assert (inside.stdout, inside.returncode) == ("inside\n", 3)
    assert "ontainer started" in kubectl("describe", "pod", "by-hand").stdout
    assert kubectl("delete", "pod", "by-hand", "--now").returncode == 0


def test_a_file_that_is_wrong(kubectl: Call, tmp_path: Path) -> None:
    file = tmp_path / "map.yml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong"}, "dat": {}}))
    refused = kubectl("apply", "-f", str(file))
    assert refused.returncode == 1
    assert 'unknown field "dat"' in refused.stderr
