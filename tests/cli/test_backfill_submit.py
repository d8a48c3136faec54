"""`dbt-af-k8s backfill submit`, against a Kubernetes API."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shop_on_disk import run

if TYPE_CHECKING:
    from cluster_server.place import Place
    from cluster_server.server import Cluster

pytestmark = pytest.mark.cluster
RBAC = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rbac"
CONFIG = """\
domain: finance
partitions: {{dates: {{from: 2026-01-05, to: 2026-01-08}}}}
chunk: day
command: [python3, -c, "import sys; print(open(sys.argv[1]).read())"]
image: {image}
version: "{version}"
job: {{ttl: 1h}}
"""


@pytest.fixture
def config(kubernetes: "Place", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    image, _, version = kubernetes.python_image.rpartition(":")
    path = tmp_path / "backfill.yml"
    path.write_text(CONFIG.format(image=image, version=version))
    return str(path)


@pytest.fixture
def api(kubernetes: "Place") -> Iterator[Any]:
    with kubernetes.api_client() as made:
        yield made


def test_the_job_runs_with_its_configuration_once(config: str, kubernetes: "Place", api: Any, tmp_path: Path) -> None:
    from kubernetes import client

    space = ("--namespace", kubernetes.namespace)
    result = run("backfill", "submit", config, *space, "--suffix", "one", "-o", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    name = "backfill-finance-one"
    assert f"Job {name} in {kubernetes.namespace}: 3 runs of finance__backfill" in result.stdout.replace("\n", " ")
    assert len(list((tmp_path / "out").iterdir())) == 2
    core, batch = client.CoreV1Api(api), client.BatchV1Api(api)
    ends = time.monotonic() + 120
    while not (job := batch.read_namespaced_job(name, kubernetes.namespace)).status.succeeded:
        assert not job.status.failed, job.status
        assert time.monotonic() < ends, job.status
        time.sleep(0.2)
    held = core.read_namespaced_config_map(name, kubernetes.namespace)
    (pod,) = core.list_namespaced_pod(kubernetes.namespace, label_selector=f"job-name={name}").items
    log = core.read_namespaced_pod_log(pod.metadata.name, kubernetes.namespace, _preload_content=False).data.decode()
    assert log.strip() == held.data["backfill.yml"].strip()
    assert held.metadata.owner_references[0].uid == job.metadata.uid

    again = run("backfill", "submit", config, *space, "--suffix", "one")
    assert again.exit_code == 2
    text = " ".join(again.stderr.split())
    assert "already exists" in text
    assert "another --suffix" in text


def test_where_the_job_cannot_be_made_nothing_is_left(config: str, kubernetes: "Place", api: Any) -> None:
    from kubernetes import client

    batch = client.BatchV1Api(api)
    space = ("--namespace", kubernetes.namespace)
    made = run("backfill", "submit", config, *space, "--suffix", "two", "--format", "json")
    assert json.loads(made.stdout)["name"] == "backfill-finance-two"
    core = client.CoreV1Api(api)
    core.delete_namespaced_config_map("backfill-finance-two", kubernetes.namespace)
    refused = run("backfill", "submit", config, *space, "--suffix", "two")
    assert refused.exit_code == 2
    names = [each.metadata.name for each in core.list_namespaced_config_map(kubernetes.namespace).items]
    assert "backfill-finance-two" not in names
    batch.delete_namespaced_job("backfill-finance-two", kubernetes.namespace, propagation_policy="Background")


def test_what_the_server_says_is_told(config: str, kubernetes: "Place", stand_in: "Cluster") -> None:
    missing = run("backfill", "submit", config, "--namespace", "nowhere")
    assert missing.exit_code == 2
    assert 'namespaces "nowhere" not found' in " ".join(missing.stderr.split())
    nobody = stand_in.account_kubeconfig(kubernetes.namespace, "default")
    forbidden = run("backfill", "submit", config, "--kube-config", str(nobody))
    assert forbidden.exit_code == 2
    assert "configmaps" in forbidden.stderr
    assert "forbidden" in forbidden.stderr


def test_no_cluster_is_told(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("backfill", "submit", config, "--kube-config", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    (tmp_path / "broken").write_text("a: [")
    assert run("backfill", "submit", config, "--kube-config", str(tmp_path / "broken")).exit_code == 2
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    nothing = run("backfill", "submit", config)
    assert nothing.exit_code == 2
    assert "No cluster is configured here" in " ".join(nothing.stderr.split())
    wrong = run("backfill", "submit", config, "--context", "other")
    assert wrong.exit_code == 2


def test_two_namespaces_are_one_too_many(config: str) -> None:
    path = Path(config)
    path.write_text(path.read_text().replace("{ttl: 1h}", "{namespace: jobs}"))
    result = run("backfill", "submit", config, "--namespace", "other")
    assert result.exit_code == 2
    assert "keep one" in result.stderr
