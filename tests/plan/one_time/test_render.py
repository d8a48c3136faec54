"""The Job and its ConfigMap: goldens, the published schemas, and templates that go wrong.

`golden/<name>.yml` is a configuration, `golden/<name>.expected.yaml` what comes of it; `UPDATE_GOLDENS=1` writes it.
"""

import os
from pathlib import Path

import pytest
import yaml
from kubernetes_schemas import VERSIONS, schema_errors

from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.plan.one_time.read import read_one_time
from dbt_af_k8s.plan.one_time.render import OUR_TEMPLATE, RenderedJob, render_job
from dbt_af_k8s.plan.one_time.template import render_job_template

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).parent / "golden"
CASES = {path.stem: path for path in GOLDEN.glob("*.yml")} | {"example": ROOT / "example_project" / "backfill.yml"}


def rendered(path: Path, templates: dict[str, str], template: str = OUR_TEMPLATE) -> RenderedJob:
    return render_job(read_one_time(path.read_bytes(), file=path.name)[0], templates, template=template)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_objects_of_a_configuration(name: str, templates: dict[str, str]) -> None:
    found = rendered(CASES[name], templates)
    text = "---\n".join(f"# {file}\n{content}" for file, content in found.files)
    expected = GOLDEN / f"{name}.expected.yaml"
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(CASES))
def test_the_published_schemas_take_them(name: str, version: str, templates: dict[str, str]) -> None:
    for _, text in rendered(CASES[name], templates).files:
        assert schema_errors(yaml.safe_load(text), version) == []


def test_the_example_is_without_warning() -> None:
    path = CASES["example"]
    assert read_one_time(path.read_bytes(), file=path.name)[1] == ()


def test_a_template_may_extend_ours(templates: dict[str, str]) -> None:
    own = (
        '{% extends "job.yaml.j2" %}\n'
        "{% block job_spec %}\n  suspend: true{% endblock %}\n"
        "{% block pod_spec %}\n      priorityClassName: batch{% endblock %}\n"
        "{% block container %}\n          workingDir: /tmp{% endblock %}\n"
        "{% block mounts %}\n            - {name: tmp, mountPath: /tmp}{% endblock %}\n"
        "{% block volumes %}\n        - name: tmp\n          emptyDir: {}{% endblock %}\n"
    )
    found = rendered(CASES["full"], templates | {"own.j2": own}, "own.j2")
    assert found.job["spec"]["suspend"] is True
    pod = found.job["spec"]["template"]["spec"]
    assert pod["priorityClassName"] == "batch"
    assert pod["containers"][0]["workingDir"] == "/tmp"
    assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]
    assert schema_errors(found.job) == []


LEAST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ name | to_yaml }}}
data: { {{ config.file | to_yaml }}: {{ config.text | to_yaml }} }
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{ name | to_yaml }}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: {{ image }}, volumeMounts: [{name: c, mountPath: {{ config.folder }}}]}]
      volumes: [{name: c, configMap: {name: {{ name }}}}]
"""


def test_a_template_may_stand_alone(templates: dict[str, str]) -> None:
    found = rendered(CASES["least"], templates | {"own.yml": LEAST}, "own.yml")
    assert found.job["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:latest"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("{{ image }}", "{{ imgae }}"),
            "Nothing is called 'imgae' here (line 13).\n  Fix: Did you mean `image`? The reference",
        ),
        (("{{ image }}", "{{ image"), "The Jinja is broken: expected token"),
        (("{{ image }}", "{{ name.__class__.__mro__ }}"), "access to attribute '__class__' of 'str' object is unsafe"),
        (("restartPolicy: Never", "restartPolicy: Always"), "`restartPolicy` cannot be the text 'Always'"),
        (("restartPolicy", "restartPolcy"), "Did you mean `restartPolicy`?"),
        (("kind: ConfigMap", "kind: Secret"), "The template makes no ConfigMap."),
        (("kind: ConfigMap", "kind: Job"), "The template makes a second Job."),
        (("apiVersion: batch/v1", "apiVersion: v1"), "`apiVersion` must be `batch/v1`"),
        (("configMap: {name: {{ name }}}", "configMap: {name: other}"), "No container mounts the ConfigMap"),
        (("mountPath: {{ config.folder }}", "mountPath: /elsewhere"), "No container mounts the ConfigMap"),
        (
            ("{{ config.text | to_yaml }}", "nothing"),
            "The ConfigMap does not hold the configuration as `backfill.yml`.",
        ),
        (("kind: Job\nmetadata: {", "kind: Job\nmetadata: {namespace: b, "), "are in two namespaces"),
        (
            ("kind: Job\nmetadata: {", "kind: Job\nmetadata: {labels: {a: 'b c'}, "),
            "The label `a` cannot have the value the text 'b c'",
        ),
        (("  template:", "  backofLimit: 0\n  template:"), "Did you mean `backoffLimit`?"),
        (("spec:\n  template", "status: {}\nspec:\n  template"), "no Job that is to be made has it"),
        (("kind: Job\n", "kind: Job\n\tx"), "own.yml, rendered"),
        (("kind: Job\n", "kind: Job\nkind: Job\n"), "stands twice in one mapping: lines 7 and 8"),
        (("containers: [", "containers: []\n      x: ["), "no PodSpec of Kubernetes has it"),
        (
            ("{{ image }}", '{% include "/etc/passwd" %}'),
            "The name '/etc/passwd' leads out of the search paths (line 13)",
        ),
        (("{{ image }}", "{{ 1 // 0 }}"), "integer division or modulo by zero"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_template_is_told(change: tuple[str, str], told: str, templates: dict[str, str]) -> None:
    assert change[0] in LEAST
    with pytest.raises(ProjectError) as failed:
        rendered(CASES["least"], templates | {"own.yml": LEAST.replace(*change, 1)}, "own.yml")
    assert told in str(failed.value)


def test_faults_of_an_included_template_name_it() -> None:
    templates = {"a": "x\n{% include 'b' %}", "b": "\n\n{{ gone }}"}
    with pytest.raises(ProjectError, match=r"b\n.*Nothing is called 'gone' here \(line 3\)"):
        render_job_template("a", templates, {})


def test_the_same_bytes_every_time(templates: dict[str, str]) -> None:
    assert rendered(CASES["full"], templates).files == rendered(CASES["full"], templates).files
