"""The script as a process of this machine, really run."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbt_af_k8s.pods.env import literal
from dbt_af_k8s.pods.local import expanded, local_script
from dbt_af_k8s.pods.manifest import pod_for
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, PodRun

MakeTarget = Callable[..., KubernetesTarget]
SHOW = """
import json, os
from dbt_af_k8s_pod import PodContext
print(json.dumps(dict(os.environ)))
PodContext.from_env().write_result({"rows": 3})
"""


def test_the_process_has_the_environment_of_the_pod(
    target: MakeTarget, payload: Payload, run: PodRun, tmp_path: Path
) -> None:
    made_of = target(
        "{env: {MODE: full, TABLE: 't_$(END_DTTM)', PRICE: 5$$, HOST: {valueFrom: {fieldRef: {fieldPath: a}}}}}"
    )
    told = replace(payload, source=SHOW)
    result = tmp_path / "return.json"
    process = local_script(made_of, told, run, result_file=str(result))
    argv = [sys.executable, *process.args]
    done = subprocess.run(argv, env=dict(process.env), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    pod = pod_for(made_of, told, run)["spec"]["containers"][0]["env"]
    in_pod = {each["name"]: each["value"] for each in pod if "value" in each}
    known = {name: value for name, value in in_pod.items() if name.endswith("_DTTM")}
    for name in set(in_pod) - {"DBT_AF_SCRIPT", "DBT_AF_RESULT_FILE"}:
        assert found[name] == expanded(in_pod[name], known)
    assert found["TABLE"] == "t_2026-03-02T00:00:00+00:00"
    assert process.only_in_cluster == ("HOST",)
    assert json.loads(result.read_text()) == {"rows": 3}


@pytest.mark.parametrize(
    "text", ["{xcom: false}", "{script_from: config_map}", "{script_from: image, script_path: /x.py}"]
)
def test_the_script_runs_wherever_the_pod_would_have_it_from(
    target: MakeTarget, payload: Payload, run: PodRun, text: str
) -> None:
    process = local_script(target(text), payload, run, result_file=None)
    argv = [sys.executable, *process.args]
    done = subprocess.run(argv, env=dict(process.env), capture_output=True, text=True, check=True)
    assert done.stdout == "exported\n"
    assert "DBT_AF_RESULT_FILE" not in dict(process.env)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        ("$(A)/$(A)", "x/x"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$x"),
        ("$A ${A} $", "$A ${A} $"),
        ("$$", "$"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_variables_are_replaced_as_kubernetes_does(text: str, value: str) -> None:
    assert expanded(text, {"A": "x"}) == value
    assert expanded(literal(text), {"A": "x"}) == text
