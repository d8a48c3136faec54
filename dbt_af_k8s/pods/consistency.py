"""What is wrong between the keys of a `kubernetes` target that are each right by themselves."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from dbt_af_k8s.config.problems import Finding, dotted
from dbt_af_k8s.config.wording import quoted, shown
from dbt_af_k8s.k8s.kinds import LABEL_KEY_FIX
from dbt_af_k8s.k8s.names import is_label_key
from dbt_af_k8s.k8s.quantities import parse_quantity, strange_amount
from dbt_af_k8s.pods.written import TargetWritten, TolerationWritten

#: Most bytes of all annotations of an object (Kubernetes).
LARGEST_ANNOTATIONS = 256 * 1024
_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def consistency_findings(target: TargetWritten, broken: AbstractSet[str]) -> Iterator[Finding]:
    """Every contradiction, in the order of the reference. `broken` names keys that are written, but not right."""
    if target.image_name is None and "image_name" not in target.model_fields_set:
        fix = (
            "Write the image as `registry/name:tag`. For a script it needs nothing but Python and what the script "
            "imports; for a runner dbt, the project and this library."
        )
        yield Finding(("image_name",), "missing", "The key `image_name` is missing.", fix)
    yield from _script(target, broken)
    yield from _cluster(target)
    yield from _resources(target)
    yield from _ladder(target, broken)
    yield from _pool(target, broken)
    for number, toleration in enumerate(target.tolerations):
        yield from _toleration(toleration, ("tolerations", number))
    yield from _identity(target, broken)
    yield from _root(target)
    size = sum(len(key) + len(value.encode("utf-8", "surrogatepass")) for key, value in target.annotations.items())
    if size > LARGEST_ANNOTATIONS:
        message = f"`annotations` has {size} bytes; Kubernetes takes at most {LARGEST_ANNOTATIONS}."
        yield Finding(("annotations",), "wrong", message, "Put the text into a ConfigMap.")
    for key in ("node_selector", "labels", "annotations"):
        for name in getattr(target, key):
            if not is_label_key(name):
                message = f"`{key}` has a key that is none of Kubernetes: {quoted(name)}."
                yield Finding((key, name), "wrong", message, LABEL_KEY_FIX)


def _script(target: TargetWritten, broken: AbstractSet[str]) -> Iterator[Finding]:
    if target.script_from == "image" and target.script_path is None:
        message = "`script_from: image` needs `script_path`, the path of the script in the image."
        yield Finding(("script_path",), "missing", message, "Write the path, or leave `script_from` out.")
    elif target.script_from != "image" and target.script_path is not None and "script_from" not in broken:
        message = "`script_path` has no effect without `script_from: image`."
        yield Finding(("script_path",), "wrong", message, "Write `script_from: image`, or remove `script_path`.")


def _cluster(target: TargetWritten) -> Iterator[Finding]:
    for key in ("config_file", "context"):
        if target.in_cluster and getattr(target, key) is not None:
            message = f"`in_cluster: true` and `{key}` name two clusters."
            yield Finding((key,), "wrong", message, "Remove one of the two.")


def amounts(target: TargetWritten) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Requests and limits. dbt-af's guarantees fill both where they say nothing, which is what a limit alone means."""
    guarantees = {"cpu": target.pod_cpu_guarantee, "memory": target.pod_memory_guarantee}
    given = {resource: amount for resource, amount in guarantees.items() if amount is not None}
    extended = {resource: amount for resource, amount in target.limits.items() if resource not in _PLAIN_RESOURCES}
    requests, limits = {**extended, **given, **target.requests}, {**given, **target.limits}
    return dict(sorted(requests.items())), dict(sorted(limits.items()))


def _resources(target: TargetWritten) -> Iterator[Finding]:
    written = (
        *((("requests", name), name, amount) for name, amount in target.requests.items()),
        *((("limits", name), name, amount) for name, amount in target.limits.items()),
        (("pod_cpu_guarantee",), "cpu", target.pod_cpu_guarantee),
        (("pod_memory_guarantee",), "memory", target.pod_memory_guarantee),
        *((("memory_ladder", number), "memory", amount) for number, amount in enumerate(target.memory_ladder)),
    )
    for path, name, amount in written:
        if not _is_resource(name):
            fix = (
                "For GPUs write the name that the cluster gives them, such as `nvidia.com/gpu`; others are `cpu`, "
                "`memory`, `ephemeral-storage`, `hugepages-2Mi`."
            )
            yield Finding(path, "unknown", f"`{dotted(path[:-1])}` knows no resource {quoted(name)}.", fix)
        elif amount is not None and (strange := strange_amount(name, amount)) is not None:
            message = f"`{dotted(path)}` {strange[0]}, found {shown(amount)}."
            yield Finding(path, "wrong", message, strange[1])
    requests, limits = amounts(target)
    for name in requests:
        requested, limit = parse_quantity(requests[name]), parse_quantity(limits.get(name, ""))
        if requested is None or not _is_resource(name):
            continue
        if name not in _PLAIN_RESOURCES and requested != limit:
            message = f"`{name}` must have one amount in `requests` and `limits`: Kubernetes never lends it."
            yield Finding(("requests", name), "wrong", message, f"Write `{name}` in `limits` only.")
        elif limit is not None and requested > limit:
            message = f"More {name} is requested ({requests[name]}) than is the limit ({limits[name]})."
            yield Finding(("requests", name), "wrong", message, "Raise the limit, or request less.")


def _is_resource(name: str) -> bool:
    return name in _PLAIN_RESOURCES or name.startswith("hugepages-") or ("/" in name and is_label_key(name))


def _ladder(target: TargetWritten, broken: AbstractSet[str]) -> Iterator[Finding]:
    below = amounts(target)[1].get("memory")
    if target.memory_ladder and below is None and broken.isdisjoint(("limits", "pod_memory_guarantee")):
        message = "`memory_ladder` needs a limit of memory to start from."
        yield Finding(("memory_ladder",), "wrong", message, "Write `pod_memory_guarantee`, or `limits: {memory: ...}`.")
        return
    for number, rung in enumerate(target.memory_ladder):
        if below is not None and (parse_quantity(rung) or 0) <= (parse_quantity(below) or 0):
            message = f"A rung of `memory_ladder` must be above the one before, found {rung} after {below}."
            yield Finding(("memory_ladder", number), "wrong", message, "Write the rungs in rising order.")
        below = rung


def _pool(target: TargetWritten, broken: AbstractSet[str]) -> Iterator[Finding]:
    pair = ("node_pool_selector_name", "node_pool")
    for key, other in (pair, pair[::-1]):
        if getattr(target, key) is None and getattr(target, other) is not None and key not in broken:
            message = f"`{other}` has no effect without `{key}`."
            yield Finding((key,), "missing", message, f"Write both, or remove `{other}`.")


def _toleration(toleration: TolerationWritten, path: tuple[str | int, ...]) -> Iterator[Finding]:
    if toleration.operator == "Exists" and toleration.value:
        message = f"`{dotted(path)}` has a `value`, which `Exists` does not look at; Kubernetes refuses it."
        yield Finding((*path, "value"), "wrong", message, "Remove `value`, or write `operator: Equal`.")
    if toleration.key is None and toleration.operator != "Exists":
        message = f"`{dotted(path)}` has no `key`."
        yield Finding((*path, "key"), "missing", message, "Write the taint's key; for every taint, `operator: Exists`.")
    if toleration.seconds is not None and toleration.effect != "NoExecute":
        message = f"`{dotted(path)}` has `seconds`, which only the effect `NoExecute` takes."
        yield Finding((*path, "seconds"), "wrong", message, "Write `effect: NoExecute`, or remove `seconds`.")


def _root(target: TargetWritten) -> Iterator[Finding]:
    for key in ("security_context", "pod_security_context"):
        if target.run_as_non_root and getattr(target, key).get("runAsUser") == 0:
            message = f"`run_as_non_root` and `{key}.runAsUser: 0`, which is root, contradict each other."
            yield Finding((key, "runAsUser"), "wrong", message, "Write another user, or remove `run_as_non_root`.")


def _identity(target: TargetWritten, broken: AbstractSet[str]) -> Iterator[Finding]:
    identity = target.workload_identity
    is_known = "service_account" in broken
    for cloud in ("azure", "aws", "gke"):
        if getattr(identity, cloud) is not None and target.service_account is None and not is_known:
            message = f"`workload_identity.{cloud}` needs `service_account`: the cloud knows the pod by it."
            fix = "Write the service account that is bound to the cloud's identity."
            yield Finding(("workload_identity", cloud), "missing", message, fix)
