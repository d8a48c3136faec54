"""The Dockerfile and the Kubernetes manifests of the documentation."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_schemas import VERSIONS

from dbt_af_k8s.server.environment import gets
from dbt_af_k8s.server.read_settings import parse_server_config

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "how-to" / "dbt-server"


@pytest.fixture(scope="module")
def things() -> dict[str, dict[str, Any]]:
    return {thing["kind"]: thing for thing in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_fit_the_published_schemas(things: dict[str, dict[str, Any]], version: str) -> None:
    import kubernetes_validate

    for thing in things.values():
        kubernetes_validate.validate(thing, version, strict=True)


def test_the_settings_in_them_are_right(things: dict[str, dict[str, Any]]) -> None:
    written = yaml.safe_load(things["ConfigMap"]["data"]["server.yml"])
    config, issues = parse_server_config(written, file="server.yml")
    assert issues == ()
    assert config is not None
    pod = things["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= config.shutdown_grace + 30
    (container,) = pod["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [config.port]
    # What the pod has is the server's own, or dbt gets it.
    variables = {variable["name"]: gets(variable["name"], config) for variable in container["env"]}
    assert variables == {config.state.postgres_variable: False, "SHOP_PASSWORD": True}
    assert things["Deployment"]["spec"]["replicas"] == things["HorizontalPodAutoscaler"]["spec"]["minReplicas"] > 1
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert str(Path(str(config.auth.tokens_file)).parent) in mounted


def test_the_pod_is_locked_up(things: dict[str, dict[str, Any]]) -> None:
    pod = things["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("valueFrom" in variable for variable in container["env"])
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()


def test_the_image_has_what_exists(things: dict[str, dict[str, Any]]) -> None:
    text = (FOLDER / "Dockerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (named,) = re.findall(r"dbt-af-k8s\[([a-z,-]+)\]", text)
    assert set(named.split(",")) <= set(extras)
    (user,) = re.findall(r"^USER (\d+)$", text, re.MULTILINE)
    pod = things["Deployment"]["spec"]["template"]["spec"]
    assert int(user) == pod["securityContext"]["runAsUser"] != 0
    (command,) = re.findall(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    folder = next(each["mountPath"] for each in pod["containers"][0]["volumeMounts"] if each["name"] == "settings")
    assert f"{folder}/server.yml" in command


def test_the_settings_shown_in_the_guide_are_right() -> None:
    text = (FOLDER.parent / "run-dbt-behind-an-api.md").read_text()
    blocks = re.findall(r"```yaml\n# server\.yml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        written = {"projects": {"shop": {"project_dir": "."}}, **yaml.safe_load(block)}
        assert parse_server_config(written, file="server.yml")[1] == (), block


def test_the_tests_that_the_threat_model_names_exist() -> None:
    text = (ROOT / "docs" / "explanation" / "dbt-server.md").read_text()
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert len(named) > 15
    for file, name in named:
        assert f"def {name}(" in (Path(__file__).parent / file).read_text(), (file, name)
