"""Reading a target and a node's changes. What is wrong is in `broken/`: one folder each, with the target and the texts.

`UPDATE_GOLDENS=1` writes `expected.txt` anew; read the difference before it is committed. Never set in CI.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dbt_af_k8s.config.profiles import parse_profile
from dbt_af_k8s.errors import Issue, Severity
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.pods.target import read_target, target_for_node
from dbt_af_k8s.pods.values import KubernetesTarget, LogSettings
from dbt_af_k8s.pods.written import NodePodWritten, TargetWritten

CASES = sorted(path for path in (Path(__file__).parent / "broken").iterdir() if path.is_dir())

Read = Callable[[str], tuple[KubernetesTarget | None, tuple[Issue, ...]]]
MakeTarget = Callable[..., KubernetesTarget]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_texts_for_a_broken_target(case: Path) -> None:
    written = yaml.safe_load((case / "target.yml").read_text(encoding="utf-8"))
    target, issues = read_target({"type": "kubernetes", **written}, name="k8s", file="profiles.yml")
    assert target is None
    text = "\n".join(str(issue) for issue in issues) + "\n"
    expected = case / "expected.txt"
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_a_profile_of_dbt_af_works_unchanged() -> None:
    output = {
        "type": "kubernetes",
        "schema": "etl",
        "image_name": "etl:1",
        "node_pool_selector_name": "agentpool",
        "node_pool": "etl",
        "pod_cpu_guarantee": "500m",
        "pod_memory_guarantee": "2Gi",
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    }
    profile, _ = parse_profile({"shop": {"outputs": {"k8s": output}}}, "shop", file="profiles.yml", env={})
    target, issues = read_target(profile.python_targets["k8s"], name="k8s", file="profiles.yml")
    assert issues == ()
    assert target is not None
    assert (target.image, target.node_selector) == ("etl:1", {"agentpool": "etl"})
    assert target.limits == target.requests == {"cpu": "500m", "memory": "2Gi"}
    assert target.tolerations == ({"key": "dedicated", "operator": "Exists"},)


def test_what_is_not_written_has_the_defaults(target: MakeTarget) -> None:
    made = target()
    assert (made.cluster, made.logs, made.namespace) == (ClusterAccess(), LogSettings(), None)
    assert (made.xcom, made.deferrable, made.on_finish_action) == (True, False, "delete_pod")
    assert (made.startup_timeout, made.active_deadline, made.retry_script) == (1200, None, False)


def test_a_key_without_a_value_is_not_written(target: MakeTarget) -> None:
    made = target("{namespace: null, env: null, tolerations: null}")
    assert (made.namespace, made.env, made.tolerations) == (None, (), ())


def test_where_the_cluster_is(target: MakeTarget) -> None:
    made = target("{kubernetes_conn_id: gke, config_file: /k, context: prod, in_cluster: false}")
    assert made.cluster == ClusterAccess("gke", "/k", "prod", False)


def test_spans_are_seconds(target: MakeTarget) -> None:
    made = target("{active_deadline: 2h, startup_timeout: 90, log_every: 0}")
    assert (made.active_deadline, made.startup_timeout, made.logs.every) == (7200, 90, 0)


@pytest.mark.parametrize(
    ("limits", "requests"),
    [
        ("{}", {"cpu": "1", "memory": "2Gi"}),
        ("{requests: {memory: 1Gi}}", {"cpu": "1", "memory": "1Gi"}),
        ("{limits: {cpu: 4}}", {"cpu": "1", "memory": "2Gi"}),
    ],
)
def test_a_guarantee_fills_what_requests_and_limits_leave_open(
    target: MakeTarget, limits: str, requests: dict[str, str]
) -> None:
    made = target(yaml.safe_dump({"pod_cpu_guarantee": 1, "pod_memory_guarantee": "2Gi", **yaml.safe_load(limits)}))
    assert made.requests == requests
    assert made.limits == {"cpu": "4" if "cpu: 4" in limits else "1", "memory": "2Gi"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("true", (True, ())),
        ("false", (False, ())),
        ("[75, 3, 75]", (True, (3, 75))),
        ("9", (True, (9,))),
        ("[]", (False, ())),
    ],
)
def test_when_a_script_is_tried_again(target: MakeTarget, written: str, expected: tuple[bool, tuple[int, ...]]) -> None:
    made = target(f"retry_script: {written}")
    assert (made.retry_script, made.retry_exit_codes) == expected


def test_what_is_probably_not_meant_is_a_warning(read: Read) -> None:
    target, issues = read("{labels: {team: Data & Co}, env: {DB_PASSWORD: hunter2}}")
    assert target is not None
    assert [(issue.severity, issue.code, issue.key) for issue in issues] == [
        (Severity.WARNING, "label-made-safe", "outputs.k8s.labels.team"),
        (Severity.WARNING, "secret-in-plain-text", "outputs.k8s.env.DB_PASSWORD"),
    ]
    assert target.labels["team"] in issues[0].message
    assert "hunter2" not in "".join(map(str, issues))


def changed(target: KubernetesTarget, text: str) -> tuple[KubernetesTarget | None, tuple[Issue, ...]]:
    return target_for_node(target, yaml.safe_load(text), node="model.shop.export", file="models/py/export.py")


def test_a_node_changes_its_target(target: MakeTarget) -> None:
    text = "{pod_memory_guarantee: 2Gi, priority_class: high, env: {A: 1, B: 2}, labels: {a: x, password: y}}"
    before = target(text)
    made, issues = changed(before, "{pod_memory_guarantee: 8Gi, priority_class: null, env: {B: 3}, labels: {b: z}}")
    assert issues == ()
    assert made is not None
    assert (made.limits["memory"], made.priority_class) == ("8Gi", None)
    assert made.env == ({"name": "A", "value": "1"}, {"name": "B", "value": "3"})
    assert made.labels == {"a": "x", "b": "z", "password": "y"}
    assert before == target(text)


def test_changes_of_changes_add_up(target: MakeTarget) -> None:
    once, _ = changed(target("{limits: {cpu: 1}}"), "{limits: {memory: 1Gi}}")
    assert once is not None
    twice, _ = changed(once, "{limits: {cpu: 2}}")
    assert twice is not None
    assert twice.limits == {"cpu": "2", "memory": "1Gi"}


def test_no_change_is_the_same_target(target: MakeTarget) -> None:
    before = target("{limits: {cpu: 1}, env: {DB_PASSWORD: x}}")
    assert changed(before, "{}") == (before, ())


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("{memory: 8Gi}", "meta.kubernetes.memory", "not known"),
        ("{type: kubernetes}", "meta.kubernetes.type", "belongs to the target"),
        ("{limits: {cpu: 1}}", "meta.kubernetes.requests.cpu", "More cpu is requested (2) than is the limit (1)."),
        ("{image_name: null}", "meta.kubernetes.image_name", "`image_name` is missing"),
        ("{affinity: {nodeAffinit: {}}}", "meta.kubernetes.affinity.nodeAffinit", "no Affinity of Kubernetes has it"),
        ("{env: {A: {valueFrom: {secretKeyRef: {name: db, key: password}}}}}", "meta.kubernetes.env.A", "a Secret"),
        (
            "{env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: password}}}]}",
            "meta.kubernetes.env.A",
            "a Secret",
        ),
        ("{labels: {aadpodidbinding: admin}}", "meta.kubernetes.labels.aadpodidbinding", "a controller"),
        (
            "{annotations: {vault.hashicorp.com/role: admin}}",
            "meta.kubernetes.annotations.vault.hashicorp.com/role",
            "a controller",
        ),
    ],
)
def test_what_is_wrong_with_a_change_is_told_at_the_node(target: MakeTarget, text: str, key: str, words: str) -> None:
    made, (issue,) = changed(target("{requests: {cpu: 2}}"), text)
    assert made is None
    assert (issue.node, issue.file, issue.key) == ("model.shop.export", "models/py/export.py", key)
    assert words in issue.message


def test_a_warning_of_the_target_is_not_told_again_at_each_node(target: MakeTarget) -> None:
    before = target("{labels: {team: Data & Co}}")
    assert changed(before, "{python: a}")[1] == ()
    made, (issue,) = changed(before, "{env: {API_TOKEN: x}}")
    assert made is not None
    assert (issue.code, issue.key) == ("secret-in-plain-text", "meta.kubernetes.env.API_TOKEN")


def test_annotations_have_a_limit(read: Read) -> None:
    fits = "annotations: {a: %s}" % ("x" * (256 * 1024 - 1))
    assert read(fits)[1] == ()
    (issue,) = read(fits.replace("{a: x", "{a: xx"))[1]
    assert issue.message == "`annotations` has 262145 bytes; Kubernetes takes at most 262144."


@pytest.mark.parametrize(
    "text",
    [
        "{schema: x}",
        "{image_pull_secrets: [registry]}",
        "{namespace: kube-system}",
        "{namespace: null}",
        "{kubernetes_conn_id: admin}",
        "{config_file: /root/.kube/config}",
        "{context: prod}",
        "{in_cluster: true}",
        "{runtime_class: none}",
        "{service_account: admin}",
        "{mount_service_account_token: true}",
        "{workload_identity: {gke: true}}",
        "{env_from: [{secretRef: {name: all}}]}",
        "{volumes: [{name: a, hostPath: {path: /}}]}",
        "{mounts: [{name: a, mountPath: /a}]}",
        "{security_defaults: false}",
        "{run_as_non_root: false}",
        "{read_only_root: false}",
        "{security_context: {privileged: true}}",
        "{pod_security_context: {runAsUser: 0}}",
        "{init_containers: [{name: a, image: a}]}",
        "{sidecars: [{name: a, image: a}]}",
        "{pod: {spec: {hostNetwork: true}}}",
    ],
)
def test_where_a_pod_runs_and_as_whom_is_no_business_of_a_node(target: MakeTarget, text: str) -> None:
    (key,) = yaml.safe_load(text)
    made, (issue, *_) = changed(target("{}"), text)
    assert made is None
    assert (issue.code, issue.key) == ("bad-kubernetes-target", f"meta.kubernetes.{key}")
    assert issue.message == f"`{key}` belongs to the target; a node cannot change it."


def test_every_key_of_a_target_is_a_node_s_or_refused(target: MakeTarget) -> None:
    """A key that comes new is not open to nodes by itself."""
    known = {field.alias or name for name, field in TargetWritten.model_fields.items()}
    for key in sorted(known):
        _, issues = changed(target("{}"), f"{{{key}: null}}")
        is_refused = any("belongs to the target" in issue.message for issue in issues)
        assert is_refused is (key not in NodePodWritten.model_fields), key
