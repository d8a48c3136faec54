"""Whether a part of a pod that a user wrote as Kubernetes writes it is one: every unknown, missing or wrong field."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import Finding, dotted
from dbt_af_k8s.config.wording import choose_from, listed, quoted, shown
from dbt_af_k8s.k8s.fields import FieldType, fields_of
from dbt_af_k8s.k8s.quantities import parse_quantity, quantity_fix

Path = tuple[str | int, ...]

#: Fields that take one of a few words; the API server refuses others.
_CHOICES = {
    ("Container", "imagePullPolicy"): ("Always", "IfNotPresent", "Never"),
    ("ContainerPort", "protocol"): ("TCP", "UDP", "SCTP"),
    ("HTTPGetAction", "scheme"): ("HTTP", "HTTPS"),
    ("LabelSelectorRequirement", "operator"): ("In", "NotIn", "Exists", "DoesNotExist"),
    ("NodeSelectorRequirement", "operator"): ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"),
    ("PodSpec", "dnsPolicy"): ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    ("PodSpec", "preemptionPolicy"): ("PreemptLowerPriority", "Never"),
    ("SeccompProfile", "type"): ("RuntimeDefault", "Localhost", "Unconfined"),
    ("Toleration", "effect"): ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    ("TopologySpreadConstraint", "whenUnsatisfiable"): ("DoNotSchedule", "ScheduleAnyway"),
    ("VolumeMount", "mountPropagation"): ("None", "HostToContainer", "Bidirectional"),
}
_WANTED = {"text": "text", "int": "a whole number", "bool": "true or false", "number": "a number"}
_INT64 = 2**63 - 1


def check_object(value: Any, type_name: str, path: Path) -> Iterator[Finding]:
    """Everything that is wrong with `value` as a Kubernetes object of that type. Nulls count as not written."""
    if not isinstance(value, Mapping):
        known = listed(fields_of(type_name))
        message = f"`{dotted(path)}` must be a mapping, found {shown(value)}."
        yield Finding(path, "wrong", message, f"Write a mapping with {known}.", True)
        return
    fields = fields_of(type_name)
    for key, below in value.items():
        if not isinstance(key, str):
            fix = "Put it in quotes: YAML reads on, off, yes, no, dates and numbers as something else than text."
            message = f"A key of `{dotted(path)}` must be text, found {shown(key)}."
            yield Finding((*path, str(key)), "wrong", message, fix)
        elif key not in fields:
            message = f"The key `{dotted((key,))}` is not known: no {type_name} of Kubernetes has it."
            yield Finding((*path, key), "unknown", message, choose_from(key, fields))
        elif below is not None:
            yield from _check_field(below, fields[key], (type_name, key), (*path, key))
    for name, field in fields.items():
        if field.is_required and value.get(name) is None:
            message = f"`{dotted(path)}` has no `{name}`, which a {type_name} of Kubernetes must have."
            yield Finding((*path, name), "missing", message, f"Give `{name}` a value.")
    if type_name == "EnvVar":
        yield from _env_variable(value, path)


def _env_variable(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """A variable has one source (Kubernetes' `validateEnvVarValueFrom`)."""
    source = value.get("valueFrom")
    if source is None:
        return
    if value.get("value") not in (None, ""):
        message = f"`{dotted(path)}` has `value` and `valueFrom`; Kubernetes takes one of them."
        yield Finding((*path, "value"), "wrong", message, "Remove one of the two.")
    known = fields_of("EnvVarSource")
    given = [key for key, below in source.items() if below is not None] if isinstance(source, Mapping) else ["?"]
    if len(given) != 1 and all(key in known for key in given):
        message = f"`{dotted((*path, 'valueFrom'))}` must have exactly one source."
        yield Finding((*path, "valueFrom"), "wrong", message, f"Write one of {listed(known)}.")


def _check_field(value: Any, field: FieldType, name: tuple[str, str], path: Path) -> Iterator[Finding]:
    match field.shape:
        case "list":
            if not isinstance(value, list | tuple):
                yield _wrong(path, "a list", value)
                return
            yield from _check_items(value, field, path)
        case "map":
            if not isinstance(value, Mapping):
                yield _wrong(path, "a mapping", value)
                return
            for key, below in value.items():
                if not isinstance(key, str):
                    yield _wrong(path, "a mapping of text", key)
                else:
                    yield from _check_value(below, field.kind, name, (*path, key))
        case _:
            yield from _check_value(value, field.kind, name, path)


def _check_items(value: list[Any] | tuple[Any, ...], field: FieldType, path: Path) -> Iterator[Finding]:
    seen: set[Any] = set()
    for number, item in enumerate(value):
        if item is None:
            yield _wrong((*path, number), "a value", item)
            continue
        yield from _check_value(item, field.kind, ("", ""), (*path, number))
        key = item.get(field.merge_key) if field.merge_key and isinstance(item, Mapping) else None
        # Ports of two protocols may have one number.
        if isinstance(key, str):
            if key in seen:
                message = f"`{dotted(path)}` has two entries with the `{field.merge_key}` {quoted(key)}."
                yield Finding((*path, number), "wrong", message, "Rename or remove one of them.")
            seen.add(key)


def _check_value(value: Any, kind: str, name: tuple[str, str], path: Path) -> Iterator[Finding]:
    if kind[:1].isupper():
        yield from check_object(value, kind, path)
    elif kind == "quantity":
        if not is_quantity(value):
            message = f"`{dotted(path)}` must be a quantity, found {shown(value)}."
            yield Finding(path, "wrong", message, quantity_fix(str(value)))
    elif kind == "port":
        if not isinstance(value, str) and not _is_int(value):
            yield _wrong(path, "a number or a name", value)
    elif not _fits(value, kind):
        fix = "Put it in quotes." if kind == "text" and isinstance(value, int | float) else None
        yield _wrong(path, _WANTED[kind], value, fix)
    elif name in _CHOICES and value not in _CHOICES[name]:
        message = f"`{dotted(path)}` knows nothing like {shown(value)}."
        yield Finding(path, "wrong", message, choose_from(str(value), _CHOICES[name]))


def is_quantity(value: Any) -> bool:
    """Whether it can stand for an amount: a quantity as text, or a number that is not below zero."""
    if isinstance(value, str):
        return parse_quantity(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _INT64


def _fits(value: Any, kind: str) -> bool:
    match kind:
        case "text":
            return isinstance(value, str)
        case "int":
            return _is_int(value)
        case "bool":
            return isinstance(value, bool)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _INT64


def _wrong(path: Path, wanted: str, value: Any, fix: str | None = None) -> Finding:
    message = f"`{dotted(path)}` must be {wanted}, found {shown(value)}."
    return Finding(path, "wrong", message, fix or f"Write {wanted}.", True)
