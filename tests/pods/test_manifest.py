"""Whole pods: one folder of `golden/` each, with the target and the pod that it makes.

`UPDATE_GOLDENS=1` writes `pod.yml` anew; read the difference before it is committed. Never set in CI. The packed script
depends on the version of zlib, and the programs in the arguments are long; all are compared here and left out there.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_schemas import VERSIONS, schema_errors

from dbt_af_k8s.pods.manifest import config_map_for, pod_for
from dbt_af_k8s.pods.payload import BOOTSTRAP, SCRIPT, packed_script, source_of
from dbt_af_k8s.pods.target import read_target
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, PodRun

CASES = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.is_dir())
#: Arguments of `pod_for` that stand in `target.yml` as well.
ARGUMENTS = ("identity_binding", "memory_rung")

MakeTarget = Callable[..., KubernetesTarget]


def made(case: Path, payload: Payload, run: PodRun) -> dict[str, Any]:
    written = yaml.safe_load((case / "target.yml").read_text(encoding="utf-8"))
    arguments = {key: written.pop(key) for key in ARGUMENTS if key in written}
    target, issues = read_target(written, name=case.name, file="profiles.yml")
    assert target is not None, "\n".join(map(str, issues))
    return pod_for(target, payload, run, **arguments)


_LONG = {BOOTSTRAP: "(bootstrap)", source_of("dbt_af_k8s.pods.supervise"): "(supervise)"}


def shortened(value: Any) -> Any:
    """The pod without the long texts."""
    if isinstance(value, dict):
        return {
            key: "(packed)" if value.get("name") == SCRIPT and key == "value" else shortened(below)
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [shortened(below) for below in value]
    return _LONG.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_pod_of_a_target(case: Path, payload: Payload, run: PodRun) -> None:
    text = yaml.safe_dump(shortened(made(case, payload, run)), sort_keys=False, width=110, allow_unicode=True)
    expected = case / "pod.yml"
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_pod_is_one_for_kubernetes(case: Path, version: str, payload: Payload, run: PodRun) -> None:
    assert schema_errors(made(case, payload, run), version) == []


def test_the_validation_sees_mistakes(target: MakeTarget, payload: Payload, run: PodRun) -> None:
    pod = pod_for(target(), payload, run)
    pod["spec"]["nodeSelectorr"] = {}
    pod["spec"]["containers"][0]["tty"] = "yes"
    pod["metadata"]["name"] = None
    assert len(schema_errors(pod)) == 3


def test_the_script_runs_by_the_bootstrap_and_the_images_own_command(
    target: MakeTarget, payload: Payload, run: PodRun
) -> None:
    base = pod_for(target(), payload, run)["spec"]["containers"][0]
    assert base["name"] == "base"
    supervised = ["python", "-c", source_of("dbt_af_k8s.pods.supervise"), "/airflow/xcom/return.json"]
    assert base["args"] == [*supervised, "python", "-c", BOOTSTRAP]
    assert "command" not in base
    without = pod_for(target("xcom: false"), payload, run)["spec"]
    assert without["containers"][0]["args"] == ["python", "-c", BOOTSTRAP]
    assert "volumes" not in without
    assert {"name": SCRIPT, "value": packed_script(payload)} in base["env"]


def keys(value: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        yield tuple(value)
        for below in value.values():
            yield from keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from keys(below)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_keys_have_one_order_and_what_was_read_is_not_changed(case: Path, payload: Payload, run: PodRun) -> None:
    first = ("apiVersion", "kind", "metadata", "name")
    for found in keys(made(case, payload, run)):
        assert list(found) == sorted(found, key=lambda key: (first.index(key) if key in first else 9, key))


def test_the_order_in_which_a_target_is_written_changes_nothing(
    target: MakeTarget, payload: Payload, run: PodRun
) -> None:
    text = "labels: {a: x, b: y}\nlimits: {cpu: 1, memory: 1Gi}\nnode_selector: {c: z, d: z}\n"
    turned = "node_selector: {d: z, c: z}\nlimits: {memory: 1Gi, cpu: 1}\nlabels: {b: y, a: x}\n"
    assert yaml.safe_dump(pod_for(target(text), payload, run), sort_keys=False) == yaml.safe_dump(
        pod_for(target(turned), payload, run), sort_keys=False
    )


@pytest.mark.parametrize(("rung", "memory"), [(0, "2Gi"), (1, "4Gi"), (2, "8Gi"), (3, "8Gi")])
def test_each_rung_of_the_ladder_is_more_memory(
    target: MakeTarget, payload: Payload, run: PodRun, rung: int, memory: str
) -> None:
    ladder = target("{pod_memory_guarantee: 2Gi, memory_ladder: [4Gi, 8Gi]}")
    resources = pod_for(ladder, payload, run, memory_rung=rung)["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"memory": memory}, "requests": {"memory": memory}}


def test_what_we_say_is_safe_from_kubernetes_own_variables(target: MakeTarget, payload: Payload, run: PodRun) -> None:
    told = PodRun(run.start, run.end, {"price": "$(HOME) $$ 5$"})
    env = pod_for(target("env: {A: '$(END_DTTM)'}"), payload, told)["spec"]["containers"][0]["env"]
    values = {variable["name"]: variable["value"] for variable in env}
    assert values["DAG_RUN_CONF"] == '{"price": "$$(HOME) $$$$ 5$$"}'
    assert values["A"] == "$(END_DTTM)"
    names = [variable["name"] for variable in env]
    assert names.index("END_DTTM") < names.index("A")


def test_ones_own_python_settings_win(target: MakeTarget, payload: Payload, run: PodRun) -> None:
    env = pod_for(target("env: {PYTHONUNBUFFERED: ''}"), payload, run)["spec"]["containers"][0]["env"]
    assert [each["value"] for each in env if each["name"] == "PYTHONUNBUFFERED"] == [""]


def test_the_result_file_is_named_where_xcom_is_on(target: MakeTarget, payload: Payload, run: PodRun) -> None:
    def names(text: str) -> list[str]:
        return [each["name"] for each in pod_for(target(text), payload, run)["spec"]["containers"][0]["env"]]

    assert "DBT_AF_RESULT_FILE" in names("xcom: true")
    assert "DBT_AF_RESULT_FILE" not in names("xcom: false")


def test_a_folder_for_results_is_not_made_twice(target: MakeTarget, payload: Payload, run: PodRun) -> None:
    text = "volumes: [{name: mine, emptyDir: {}}]\nmounts: [{name: mine, mountPath: /airflow/xcom/}]"
    spec = pod_for(target(text), payload, run)["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["mine"]
    assert len(pod_for(target(), payload, run)["spec"]["volumes"]) == 1


def test_a_place_for_temporary_files_is_not_made_twice(target: MakeTarget, payload: Payload, run: PodRun) -> None:
    text = (
        "{xcom: false, read_only_root: true, volumes: [{name: t, emptyDir: {}}], mounts: [{name: t, mountPath: /tmp/}]}"
    )
    assert pod_for(target(text), payload, run)["spec"]["volumes"] == [{"name": "t", "emptyDir": {}}]


def test_every_container_has_the_security_defaults_unless_it_cannot(
    target: MakeTarget, payload: Payload, run: PodRun
) -> None:
    text = """
    init_containers: [{name: a, image: x}, {name: b, image: x, securityContext: {privileged: true}}]
    sidecars: [{name: c, image: x, securityContext: {allowPrivilegeEscalation: true, capabilities: {drop: []}}}]
    """
    init = pod_for(target(text), payload, run)["spec"]["initContainers"]
    assert [each["securityContext"] for each in init] == [
        {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        {"capabilities": {"drop": ["ALL"]}, "privileged": True},
        {"allowPrivilegeEscalation": True, "capabilities": {"drop": []}},
    ]
    assert [each.get("restartPolicy") for each in init] == [None, None, "Always"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_config_map_and_its_mount_agree(target: MakeTarget, payload: Payload, run: PodRun, version: str) -> None:
    for named in (run, PodRun(run.start, run.end, run.conf, config_map="export-7f3a")):
        made_of = target("{script_from: config_map, namespace: etl, xcom: false}")
        config_map, pod = config_map_for(made_of, payload, named), pod_for(made_of, payload, named)
        assert config_map is not None
        assert schema_errors(config_map, version) == []
        assert config_map["data"] == {"script": packed_script(payload)}
        (volume,) = pod["spec"]["volumes"]
        assert volume["configMap"]["name"] == config_map["metadata"]["name"]
        base = pod["spec"]["containers"][0]
        assert {"name": "DBT_AF_SCRIPT_FILE", "value": "/dbt-af-k8s/script"} in base["env"]
        assert base["volumeMounts"] == [{"name": volume["name"], "mountPath": "/dbt-af-k8s", "readOnly": True}]
    assert config_map_for(target(), payload, run) is None
