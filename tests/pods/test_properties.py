"""Whatever a user writes: no crash, and every target that is accepted makes a pod that Kubernetes' schema accepts."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes_schemas import schema_errors
from properties import examples

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.k8s.check import check_object
from dbt_af_k8s.k8s.fields import FieldType, fields_of
from dbt_af_k8s.pods.manifest import pod_for
from dbt_af_k8s.pods.target import read_target, target_for_node
from dbt_af_k8s.pods.values import Payload, PodRun
from dbt_af_k8s.pods.written import NodePodWritten, TargetWritten

PAYLOAD = Payload("model.shop.export", "export", "models/export.py", "print(1)\n")
RUN = PodRun(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
SLOW = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

NAMES = st.sampled_from(["a", "b", "c", "data", "proxy", "base"])
WORDS = st.text(max_size=8)
AMOUNTS = st.sampled_from(["1", "500m", "2Gi", "1.5", 3, 0])
SCALARS = {
    "text": NAMES | WORDS,
    "int": st.integers(min_value=-(2**31), max_value=2**31 - 1),
    "bool": st.booleans(),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "quantity": AMOUNTS,
    "port": NAMES | st.integers(1, 65535),
}


def of_type(name: str, depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """Any object of a Kubernetes type, not too deep."""
    required = {key: of_field(field, depth) for key, field in fields_of(name).items() if field.is_required}
    possible = [
        key for key, field in fields_of(name).items() if not field.is_required and (depth or not field.is_object)
    ]

    @st.composite
    def made(draw: st.DrawFn) -> dict[str, Any]:
        keys = draw(st.lists(st.sampled_from(possible), unique=True, max_size=3)) if possible else []
        optional = {key: of_field(fields_of(name)[key], depth) for key in keys}
        return {key: draw(value) for key, value in (required | optional).items()}

    return made()


def of_field(field: FieldType, depth: int) -> st.SearchStrategy[Any]:
    one = st.deferred(lambda: of_type(field.kind, max(depth - 1, 0))) if field.is_object else SCALARS[field.kind]
    match field.shape:
        case "list":
            return st.lists(one, max_size=2)
        case "map":
            return st.dictionaries(NAMES, one, max_size=2)
        case _:
            return one


RAW = {
    "affinity": of_type("Affinity"),
    "topology_spread": st.lists(of_type("TopologySpreadConstraint"), max_size=2),
    "env_from": st.lists(of_type("EnvFromSource"), max_size=2),
    "volumes": st.lists(of_type("Volume"), max_size=2),
    "mounts": st.lists(of_type("VolumeMount"), max_size=2),
    "security_context": of_type("SecurityContext"),
    "pod_security_context": of_type("PodSecurityContext"),
    "init_containers": st.lists(of_type("Container", 2), max_size=1),
    "sidecars": st.lists(of_type("Container", 2), max_size=1),
    "pod": st.fixed_dictionaries({}, optional={"metadata": of_type("ObjectMeta"), "spec": of_type("PodSpec")}),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | AMOUNTS,
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(NAMES | WORDS | st.integers() | st.booleans(), below, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(sorted(field.alias or name for name, field in TargetWritten.model_fields.items()))

#: Targets that are right by the way they are made.
RIGHT = st.fixed_dictionaries(
    {"image_name": st.just("etl:1")},
    optional={
        "namespace": NAMES,
        "image_pull_policy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
        "image_pull_secrets": NAMES | st.lists(NAMES, max_size=2, unique=True),
        "script_from": st.sampled_from(["env", "config_map"]),
        "pod_cpu_guarantee": st.sampled_from(["500m", 1, 2.5]),
        "pod_memory_guarantee": st.sampled_from(["2Gi", "512Mi"]),
        "memory_ladder": st.just([]),
        "node_selector": st.dictionaries(NAMES, NAMES | st.booleans() | st.integers(0, 9), max_size=2),
        "tolerations": st.lists(
            st.fixed_dictionaries(
                {"key": NAMES, "effect": st.just("NoExecute")}, optional={"seconds": st.integers(0, 99), "value": NAMES}
            ),
            max_size=2,
        ),
        "service_account": NAMES,
        "mount_service_account_token": st.booleans(),
        "labels": st.dictionaries(NAMES, WORDS | st.integers() | st.booleans(), max_size=3),
        "annotations": st.dictionaries(NAMES, WORDS | st.integers() | st.booleans(), max_size=3),
        "env": st.dictionaries(
            st.sampled_from(["A", "B", "C"]),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
            | st.integers()
            | st.lists(st.booleans()),
        ),
        "volumes": st.lists(NAMES, unique=True, max_size=3).map(
            lambda names: [{"name": n, "emptyDir": {}} for n in names]
        ),
        "security_defaults": st.booleans(),
        "run_as_non_root": st.booleans(),
        "read_only_root": st.booleans(),
        "active_deadline": st.integers(1, 9999),
        "xcom": st.booleans(),
    },
)


def check(written: dict[Any, Any]) -> tuple[bool, tuple[Issue, ...]]:
    """Read a target; its pod, if there is one, is right, and if there is none it is said why."""
    target, issues = read_target(written, name="k8s", file="profiles.yml")
    assert (target is None) == any(issue.is_error for issue in issues)
    assert all(str(issue) for issue in issues)
    if target is not None:
        assert schema_errors(pod_for(target, PAYLOAD, RUN)) == []
    return target is not None, issues


@given(RIGHT)
def test_a_right_target_is_accepted_and_makes_a_right_pod(written: dict[str, Any]) -> None:
    is_accepted, issues = check({"type": "kubernetes", **written})
    assert is_accepted, "\n".join(map(str, issues))


@SLOW
@given(RIGHT, st.fixed_dictionaries({}, optional=RAW))
def test_every_accepted_target_makes_a_right_pod(written: dict[str, Any], raw: dict[str, Any]) -> None:
    check({**written, **raw})


@SLOW
@given(st.data(), st.sampled_from(["Affinity", "TopologySpreadConstraint", "Probe", "Lifecycle", "PodDNSConfig"]))
def test_our_table_and_the_schema_agree_on_objects(data: st.DataObject, name: str) -> None:
    value = data.draw(of_type(name))
    if list(check_object(value, name, ("v",))):
        return
    place = {"Probe": "readinessProbe", "Lifecycle": "lifecycle"}
    if name in place:
        pod_spec: dict[str, Any] = {"containers": [{"name": "a", place[name]: value}]}
    else:
        field = {"Affinity": "affinity", "PodDNSConfig": "dnsConfig"}.get(name)
        pod_spec = {"containers": [{"name": "a"}]}
        pod_spec |= {field: value} if field else {"topologySpreadConstraints": [value]}
    assert schema_errors({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": pod_spec}) == []


@SLOW
@given(st.dictionaries(KEYS | WORDS, ANYTHING, max_size=5), st.booleans())
def test_nothing_that_yaml_can_say_is_a_crash(written: dict[str, Any], has_image: bool) -> None:
    check({"image_name": "etl:1", **written} if has_image else written)


@SLOW
@given(RIGHT, st.dictionaries(KEYS, ANYTHING, max_size=3) | RIGHT)
def test_no_change_of_a_node_is_a_crash(written: dict[str, Any], changes: dict[str, Any]) -> None:
    target, _ = read_target(written, name="k8s", file="profiles.yml")
    assert target is not None
    changed, issues = target_for_node(target, changes, node="model.shop.export", file="x.py")
    assert (changed is None) == any(issue.is_error for issue in issues)
    if changed is not None:
        assert schema_errors(pod_for(changed, PAYLOAD, RUN)) == []


#: What a node may change of them.
OF_A_NODE = RIGHT.map(lambda keys: {key: value for key, value in keys.items() if key in NodePodWritten.model_fields})


@given(RIGHT, OF_A_NODE)
def test_a_change_made_twice_is_a_change_made_once(written: dict[str, Any], changes: dict[str, Any]) -> None:
    target, _ = read_target(written, name="k8s", file="profiles.yml")
    assert target is not None
    once, _ = target_for_node(target, changes, node="n", file="x.py")
    assert once is not None
    twice, _ = target_for_node(once, changes, node="n", file="x.py")
    assert twice == once
