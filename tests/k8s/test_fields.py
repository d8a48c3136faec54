"""The table of Kubernetes fields is what the newest published schema says.

`UPDATE_GOLDENS=1` writes it anew; format the file afterwards.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

import pytest
from kubernetes_schemas import NEWEST, definitions

from dbt_af_k8s.k8s import fields as kubernetes_fields
from dbt_af_k8s.k8s.fields import FieldType, fields_of

#: Fields that nobody can set on a pod that is to be created.
LEFT_OUT = ("ephemeralContainers", "managedFields")
#: Where the types stand that a pod or a job can have in it.
APIS = ("core.v1.", "batch.v1.", "scheduling.v1", "apimachinery")
SCALARS = {"string": "", "integer": ":int", "boolean": ":bool", "number": ":number"}
MAPS = {"string": ":{text}", "Quantity": ":{quantity}"}


def short(reference: str) -> str:
    return reference.rsplit("/", 1)[-1].rsplit(".", 1)[-1]


def written(schema: Mapping[str, Any], merge_key: str | None = None) -> str:
    """A field's type as the table has it."""
    if "$ref" in schema:
        name = short(schema["$ref"])
        return {"Quantity": ":quantity", "IntOrString": ":port", "Time": ""}.get(name, f":{name}")
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = next(kind for kind in kinds if kind != "null")
    if kind == "array":
        item = written(schema["items"]).removeprefix(":") or "text"
        by = schema.get("x-kubernetes-patch-merge-key")
        return f":[{item}@{by}]" if by else f":[{item}]"
    if kind == "object":
        values = schema["additionalProperties"]
        return MAPS["Quantity" if "$ref" in values else next(kind for kind in values["type"] if kind != "null")]
    return SCALARS[kind]


def table() -> Iterator[tuple[str, str]]:
    """Every type below the `metadata` and `spec` of a pod or a job, with its fields, sorted."""
    found = definitions(NEWEST)
    by_name = {short(name): schema for name, schema in found.items() if any(api in name for api in APIS)}
    waiting, seen = ["PodSpec", "JobSpec", "ObjectMeta"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        required = set(by_name[name].get("required", ())) - ({"containers"} if name == "PodSpec" else set())
        words = []
        for field, schema in sorted(by_name[name].get("properties", {}).items()):
            if field in LEFT_OUT:
                continue
            kind = written(schema)
            words.append(f"{field}{'!' if field in required else ''}{kind}")
            below = re.search(r"[A-Z]\w+", kind.partition("@")[0])
            if below:
                waiting.append(below[0])
        yield name, " ".join(words)


def module_text() -> str:
    lines = []
    for name, words in sorted(table()):
        head = f'    "{name}": '
        if len(head) + len(words) + 3 <= 120:
            lines.append(f'{head}"{words}",')
            continue
        lines.append(f"{head}(")
        rows = wrap(words, 108, break_long_words=False, break_on_hyphens=False)
        lines += [f'        "{row}{" " if row is not rows[-1] else ""}"' for row in rows]
        lines.append("    ),")
    return "\n".join(lines)


def test_the_table_is_that_of_the_newest_schema() -> None:
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        file = Path(kubernetes_fields.__file__)
        text = file.read_text(encoding="utf-8")
        begin = text.index("_TABLE = {\n") + len("_TABLE = {\n")
        file.write_text(text[:begin] + module_text() + text[text.index("\n}\n", begin) :], encoding="utf-8")
    assert dict(table()) == kubernetes_fields._TABLE


@pytest.mark.parametrize(
    ("type_name", "field", "expected"),
    [
        ("Container", "name", FieldType("text", "one", is_required=True)),
        ("Container", "env", FieldType("EnvVar", "list", merge_key="name")),
        ("Container", "volumeMounts", FieldType("VolumeMount", "list", merge_key="mountPath")),
        ("Container", "args", FieldType("text", "list")),
        ("PodSpec", "containers", FieldType("Container", "list", merge_key="name")),
        ("PodSpec", "nodeSelector", FieldType("text", "map")),
        ("ResourceRequirements", "limits", FieldType("quantity", "map")),
        ("Toleration", "tolerationSeconds", FieldType("int", "one")),
        ("JobSpec", "template", FieldType("PodTemplateSpec", "one", is_required=True)),
        ("TCPSocketAction", "port", FieldType("port", "one", is_required=True)),
    ],
)
def test_a_row_of_the_table_is_read(type_name: str, field: str, expected: FieldType) -> None:
    assert fields_of(type_name)[field] == expected


def test_every_type_that_a_field_names_is_there() -> None:
    named = {field.kind for name, _ in table() for field in fields_of(name).values() if field.kind[0].isupper()}
    assert all(fields_of(name) is not None for name in named)
