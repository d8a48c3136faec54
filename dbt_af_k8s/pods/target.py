"""The `kubernetes` target of profiles.yml, and a node's changes to it, read into values with every problem told."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.config.problems import Finding, dotted, findings
from dbt_af_k8s.config.wording import quoted
from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.k8s.names import is_label_value
from dbt_af_k8s.pods.consistency import amounts, consistency_findings
from dbt_af_k8s.pods.env import plain_secrets, read_env
from dbt_af_k8s.pods.identity import workload_identity
from dbt_af_k8s.pods.manifest import pod_for
from dbt_af_k8s.pods.merge import merge_objects, merge_written
from dbt_af_k8s.pods.node_reach import node_pod_findings
from dbt_af_k8s.pods.parts import part_findings, pod_findings
from dbt_af_k8s.pods.values import KubernetesTarget, LogSettings, Payload, PodRun
from dbt_af_k8s.pods.written import TargetWritten

#: What every container gets that says nothing else. Source: the restricted Pod Security Standard of Kubernetes.
_CONTAINER_DEFAULTS = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_POD_DEFAULTS = {"seccompProfile": {"type": "RuntimeDefault"}}
_SECRET_JINJA = re.compile(r"\{\{.*DBT_ENV_SECRET", re.DOTALL)
#: Keys that the pod of a runner cannot have: what is about scripts, and, for a cloud's cluster, how one gets there.
_OF_SCRIPTS = ("type", "schema", "script_from", "script_path", "xcom", "retry_script")
_OF_CLUSTER = ("kubernetes_conn_id", "config_file", "context", "in_cluster")
_WAY_OUT_OF_PLACE = "Remove it: dbt is what runs there, and the runner itself says where."
#: Stands in for a script while the pod is looked at as a whole.
_NOTHING = Payload("", "script", "script.py", "")
_SOME_RUN = PodRun(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a target, or a change of it, is written."""

    #: The key above: `outputs` and the target's name, or `meta.kubernetes`.
    prefix: tuple[str, ...]
    file: str
    node: str | None = None

    def key(self, path: tuple[str | int, ...]) -> str:
        below = dotted((*self.prefix[1:], *path))
        return f"{self.prefix[0]}.{below}" if below else self.prefix[0]

    def tell(self, found: Iterable[Finding]) -> tuple[Issue, ...]:
        issues = []
        for finding in found:
            code = "unknown-kubernetes-key" if finding.kind == "unknown" else "bad-kubernetes-target"
            key = self.key(finding.path)
            issues.append(error(code, finding.message, finding.fix, file=self.file, node=self.node, key=key))
        return tuple(issues)


def read_target(
    output: Mapping[str, Any], *, name: str, file: str
) -> tuple[KubernetesTarget | None, tuple[Issue, ...]]:
    """Read the output `name` of a profile, of type `kubernetes`, rendered; `file` is for messages.

    None where an error is among the issues. Every problem is told, not only the first.
    """
    return _read(name, output, _Place(("outputs", name), file))


def target_for_node(
    target: KubernetesTarget, changes: Mapping[str, Any], *, node: str, file: str, place: str = "meta.kubernetes"
) -> tuple[KubernetesTarget | None, tuple[Issue, ...]]:
    """The target with a node's changes: the keys are those of `NodePodWritten`.

    `node` is its unique_id, `place` where the changes stand. The rules of merging are those of `merge_written`; a null
    removes what the target says. A node's variables come in the same way: `{"env": {...}}`.
    """
    at = _Place((place,), file, node)
    written, found = _validated(changes)
    own = [
        *found,
        *node_pod_findings(changes),
        *(finding for finding in _inside(written) if _first(finding) not in _broken(found)),
    ]
    if own:
        return None, at.tell(own)
    return _read(target.name, merge_written(target.written, changes), at, told=frozenset(changes))


def read_runner_pod(
    written: Mapping[str, Any], *, row: str | None, file: str, defaults: Mapping[str, Any], is_of_cloud: bool = False
) -> tuple[KubernetesTarget | None, tuple[Issue, ...]]:
    """Read the pod of a row of `runners`, whose dbt runs in a pod: the keys of a target but those about scripts.

    `row` is the row's pattern and `file` that of the settings, both for messages; without `row` it is a node's own
    runner, and `file` the node's. `defaults` are keys that the pod need not have. The cluster of a cloud is found by
    the runner's own options. None where an error is among the issues.
    """
    place = _Place(("meta.runner", "pod") if row is None else ("runners", row, "pod"), file)
    out_of_place = (*_OF_SCRIPTS, *(_OF_CLUSTER if is_of_cloud else ()))
    found = [
        Finding((key,), "wrong", f"`{key}` has no place in the pod of a runner.", _WAY_OUT_OF_PLACE)
        for key in out_of_place
        if written.get(key) is not None
    ]
    rest = {key: value for key, value in written.items() if key not in out_of_place}
    target, issues = _read(row or "", {**defaults, **rest, "xcom": False}, place)
    return (None, (*place.tell(found), *issues)) if found else (target, issues)


def _read(
    name: str, output: Mapping[str, Any], place: _Place, *, told: frozenset[str] | None = None
) -> tuple[KubernetesTarget | None, tuple[Issue, ...]]:
    """`told` names the keys whose warnings are told; None: all. What the target itself warns of is told once."""
    written, found = _validated(output)
    broken = _broken(found)
    more = [*consistency_findings(written, broken), *_inside(written)]
    found += [finding for finding in more if _first(finding) not in broken]
    if found:
        return None, place.tell(found)
    target = _target(name, written, output)
    pod = pod_for(target, _NOTHING, _SOME_RUN)
    found = list(pod_findings(pod, log_containers=target.logs.containers))
    if found:
        return None, place.tell(found)
    heard = set(output) if told is None else told
    warnings = [*_label_warnings(target, output, place), *_secret_warnings(target, place)]
    return target, tuple(issue for key, issue in warnings if key in heard)


def _validated(mapping: Mapping[str, Any]) -> tuple[TargetWritten, list[Finding]]:
    """The keys that are right, and what is wrong with the others."""
    try:
        return TargetWritten.model_validate(dict(mapping)), []
    except ValidationError as failed:
        found = findings(failed, TargetWritten)
    known = {field.alias or name for name, field in TargetWritten.model_fields.items()}
    broken = _broken(found)
    right = {key: value for key, value in mapping.items() if key in known and key not in broken}
    return TargetWritten.model_validate(right), found


def _inside(written: TargetWritten) -> Iterator[Finding]:
    """What is wrong inside of single keys, beyond what their types say."""
    yield from read_env(written.env, ("env",))[1]
    yield from part_findings(written)
    for path, text in _texts(written.model_dump(by_alias=True, exclude_unset=True)):
        if _SECRET_JINJA.search(text):
            message = f"`{dotted(path)}` would be a secret in plain text in the pod."
            fix = "Put it into a Secret of the cluster: `valueFrom: {secretKeyRef: {name: ..., key: ...}}`."
            yield Finding(path, "wrong", message, fix)


def _texts(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, held = stack.pop()
        if isinstance(held, str):
            yield path, held
        elif isinstance(held, Mapping):
            stack.extend(((*path, str(key)), below) for key, below in held.items())
        elif isinstance(held, list | tuple):
            stack.extend(((*path, number), below) for number, below in enumerate(held))


def _target(name: str, written: TargetWritten, output: Mapping[str, Any]) -> KubernetesTarget:
    requests, limits = amounts(written)
    pool = {written.node_pool_selector_name: written.node_pool} if written.node_pool_selector_name else {}
    pod_security = merge_objects(_POD_DEFAULTS, written.pod_security_context, "PodSecurityContext")
    return KubernetesTarget(
        name=name,
        image=written.image_name or "",
        image_pull_policy=written.image_pull_policy,
        image_pull_secrets=written.image_pull_secrets,
        python=written.python,
        script_from=written.script_from,
        script_path=written.script_path,
        namespace=written.namespace,
        cluster=ClusterAccess(written.kubernetes_conn_id, written.config_file, written.context, written.in_cluster),
        requests=requests,
        limits=limits,
        memory_ladder=written.memory_ladder,
        tolerations=tuple(
            {
                ("tolerationSeconds" if key == "seconds" else key): value
                for key, value in toleration.model_dump(exclude_none=True).items()
            }
            for toleration in written.tolerations
        ),
        node_selector={str(key): str(value) for key, value in (pool | written.node_selector).items()},
        affinity=written.affinity,
        topology_spread=written.topology_spread,
        priority_class=written.priority_class,
        runtime_class=written.runtime_class,
        service_account=written.service_account,
        mount_service_account_token=written.mount_service_account_token,
        workload_identity=workload_identity(written.workload_identity),
        labels=written.labels,
        annotations=written.annotations,
        env=read_env(written.env, ("env",))[0],
        env_from=written.env_from,
        volumes=written.volumes,
        mounts=written.mounts,
        container_defaults=_CONTAINER_DEFAULTS if written.security_defaults else {},
        pod_security_context=pod_security if written.security_defaults else written.pod_security_context,
        security_context=_own_security(written),
        init_containers=written.init_containers,
        sidecars=written.sidecars,
        active_deadline=written.active_deadline,
        startup_timeout=written.startup_timeout,
        on_finish_action=written.on_finish_action,
        deferrable=written.deferrable,
        xcom=written.xcom,
        logs=LogSettings(written.logs, written.log_every, written.log_containers, written.log_events, written.log_pod),
        retry_script=written.retry_script is not False and written.retry_script != (),
        retry_exit_codes=written.retry_script if isinstance(written.retry_script, tuple) else (),
        pod=written.pod,
        written={key: value for key, value in output.items() if value is not None},
    )


def _own_security(written: TargetWritten) -> dict[str, Any]:
    switches = {"runAsNonRoot": written.run_as_non_root, "readOnlyRootFilesystem": written.read_only_root}
    asked = {key: True for key, is_on in switches.items() if is_on}
    return merge_objects(asked, written.security_context, "SecurityContext")


def _label_warnings(target: KubernetesTarget, output: Mapping[str, Any], place: _Place) -> Iterator[tuple[str, Issue]]:
    """Labels whose value had to be changed, with the key of the target that has them."""
    for key, value in (output.get("labels") or {}).items():
        if isinstance(value, str) and not is_label_value(value):
            message = f"The label {quoted(key)} cannot have this value; the pod gets {quoted(target.labels[key])}."
            fix = "Write at most 63 letters, digits, dashes, dots and underscores, or make it an annotation."
            at = place.key(("labels", key))
            yield "labels", warning("label-made-safe", message, fix, file=place.file, node=place.node, key=at)


def _secret_warnings(target: KubernetesTarget, place: _Place) -> Iterator[tuple[str, Issue]]:
    for name in plain_secrets(target.env):
        message = f"The variable `{name}` sounds secret, and stands in the pod as plain text."
        fix = "Take it by `valueFrom: {secretKeyRef: {name: ..., key: ...}}`."
        at = place.key(("env", name))
        yield "env", warning("secret-in-plain-text", message, fix, file=place.file, node=place.node, key=at)


def _broken(found: list[Finding]) -> set[str]:
    return {_first(finding) for finding in found}


def _first(finding: Finding) -> str:
    return str(finding.path[0]) if finding.path else ""
