"""Two descriptions of one thing become one: by names, as Kubernetes itself merges them, never by position."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dbt_af_k8s.k8s.fields import FieldType, fields_of
from dbt_af_k8s.pods.env import env_mapping

#: Objects that hold one of several kinds of thing: two of them in one are neither.
_REPLACED = frozenset(
    {"EnvVar", "Volume", "VolumeMount", "Probe", "LifecycleHandler", "SeccompProfile", "AppArmorProfile"}
)
#: Keys of a target that are mappings; a node's change adds to them key by key.
_BY_KEY = ("requests", "limits", "node_selector", "labels", "annotations", "workload_identity")
#: Keys of a target that are Kubernetes objects, or lists of them with the key that names one.
_OBJECTS = {"security_context": "SecurityContext", "pod_security_context": "PodSecurityContext"}
_LISTS = {
    "volumes": FieldType("Volume", "list", merge_key="name"),
    "mounts": FieldType("VolumeMount", "list", merge_key="mountPath"),
    "init_containers": FieldType("Container", "list", merge_key="name"),
    "sidecars": FieldType("Container", "list", merge_key="name"),
    "env_from": FieldType("EnvFromSource", "list"),
}


def merge_objects(under: Mapping[str, Any], over: Mapping[str, Any], type_name: str) -> dict[str, Any]:
    """Merge two Kubernetes objects of one type that are in order; `over` wins, and a null in it removes.

    Mappings merge by key. Lists whose items have a name merge by it (containers, variables, mounts by their path):
    containers are merged in turn, other items replaced. Lists of objects without a name grow by what they do not have
    yet (tolerations). Lists of plain values (args, capabilities) are replaced.
    """
    fields = fields_of(type_name)
    merged = dict(under)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif merged.get(key) is None:
            merged[key] = value
        else:
            merged[key] = _merge_field(merged[key], value, fields[key])
    return merged


def _merge_field(under: Any, over: Any, field: FieldType) -> Any:
    match field.shape:
        case "map":
            return _merge_maps(under, over)
        case "list":
            return merge_lists(under, over, field)
    if field.is_object and field.kind not in _REPLACED:
        return merge_objects(under, over, field.kind)
    return over


def merge_lists(under: Iterable[Any], over: Iterable[Any], field: FieldType) -> list[Any]:
    """Merge two lists of one field: what is new comes after what was there."""
    if not field.is_object:
        return list(over)
    merged = list(under)
    for item in over:
        name = item.get(field.merge_key) if field.merge_key else None
        there = [
            number for number, other in enumerate(merged) if name is not None and other.get(field.merge_key) == name
        ]
        if there and field.kind not in _REPLACED:
            merged[there[0]] = merge_objects(merged[there[0]], item, field.kind)
        elif there:
            merged[there[0]] = item
        elif item not in merged:
            merged.append(item)
    return merged


def merge_written(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a target with a node's changes over them; both are in order by themselves.

    A null removes. Resources, selectors, labels, annotations, variables and security contexts merge by key; volumes,
    containers and the `pod` fragment by name, mounts by path; `env_from` grows; everything else is replaced.
    """
    rules: dict[str, Callable[[Any, Any], Any]] = {
        **dict.fromkeys(_BY_KEY, _merge_maps),
        **{key: _object_rule(type_name) for key, type_name in _OBJECTS.items()},
        **{key: _list_rule(field) for key, field in _LISTS.items()},
        "env": lambda a, b: _merge_maps(env_mapping(a), env_mapping(b)),
        "pod": merge_fragments,
    }
    merged = dict(under)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif merged.get(key) is None or key not in rules:
            merged[key] = value
        else:
            merged[key] = rules[key](merged[key], value)
    return merged


def merge_fragments(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two pods, or parts of pods, with `metadata` and `spec`."""
    merged = {**under, **{key: value for key, value in over.items() if key not in _PARTS}}
    for key, type_name in _PARTS.items():
        if under.get(key) is not None and over.get(key) is not None:
            merged[key] = merge_objects(under[key], over[key], type_name)
        elif over.get(key) is not None:
            merged[key] = over[key]
    return merged


_PARTS = {"metadata": "ObjectMeta", "spec": "PodSpec"}


def _merge_maps(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**under, **over}
    return {key: value for key, value in merged.items() if value is not None}


def _object_rule(type_name: str) -> Callable[[Any, Any], Any]:
    return lambda under, over: merge_objects(under, over, type_name)


def _list_rule(field: FieldType) -> Callable[[Any, Any], Any]:
    return lambda under, over: merge_lists(under, over, field)
