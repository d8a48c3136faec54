"""Label and field selectors of lists and watches.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and .../field-selectors/
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from cluster_server.answers import Refused
from cluster_server.kinds import EVENT, JOB, POD, Kind

Match = Callable[[Mapping[str, Any]], bool]

#: Fields that can be selected besides `metadata.name` and `metadata.namespace`.
_FIELDS = {
    POD: ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"),
    JOB: ("status.successful",),
    EVENT: (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}
_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<how>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_PARTS = re.compile(r"(?:[^,(]|\([^)]*\))+")


def label_match(text: str) -> Match:
    """A predicate on objects; 400 for text that is no selector."""
    terms = [_label_term(part) for part in _PARTS.findall(text)]
    return lambda thing: all(term((thing.get("metadata") or {}).get("labels") or {}) for term in terms)


def labels_match(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels have the `matchLabels` of a selector."""
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())


def _label_term(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["how"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(part):
        key, value = found["key"], found["value"]
        if found["how"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(part):
        key, wanted = found["key"], not found["not"]
        return lambda labels: (key in labels) is wanted
    raise Refused(400, f'unable to parse requirement: found {part!r}, expected: identifier, "!", "in", "notin", "="')


def field_match(kind: Kind, text: str) -> Match:
    """A predicate on objects; 400 for a field that the kind cannot be selected by."""
    terms = []
    for part in text.split(","):
        found = re.match(r"^(?P<field>[^!=]+)(?P<how>==|=|!=)(?P<value>.*)$", part)
        if found is None:
            raise Refused(400, f"invalid selector: {text!r}; can't understand {part!r}")
        field = found["field"]
        if field not in ("metadata.name", "metadata.namespace", *_FIELDS.get(kind, ())):
            raise Refused(400, f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
        terms.append((field, found["how"] != "!=", found["value"]))
    return lambda thing: all((str(_value(thing, field)) == value) is wanted for field, wanted, value in terms)


def _value(thing: Mapping[str, Any], field: str) -> Any:
    value: Any = thing
    for key in field.split("."):
        value = (value or {}).get(key) if isinstance(value, Mapping) else None
    return "" if value is None else value
