"""YAML files: what is read, and duplicate keys. The texts for broken ones are among `broken/`."""

import pytest

from dbt_af_k8s.config.yaml_text import MOST_BYTES, Duplicate, load_yaml
from dbt_af_k8s.errors import ProjectError


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("", {}),
        ("# only a comment\n", {}),
        ("---\n", {}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: &x {k: v}\nb: *x\nc: {<<: *x, l: w}\n", {"a": {"k": "v"}, "b": {"k": "v"}, "c": {"k": "v", "l": "w"}}),
        ("größe: 'ä€𝄞'\n", {"größe": "ä€𝄞"}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
    ],
)
def test_what_is_read(text: str, mapping: dict[str, object]) -> None:
    found = load_yaml(text.encode(), file="f.yml")
    assert (found.mapping, found.duplicates) == (mapping, ())


def test_duplicate_keys_are_found_with_their_lines() -> None:
    found = load_yaml(b"a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n", file="f.yml")
    assert found.duplicates == (Duplicate("c", 2, 2), Duplicate("a", 3, 1))
    assert found.mapping == {"a": 2, "b": {"c": 3, "d": 2}}


def test_a_key_over_a_merged_one_is_no_duplicate() -> None:
    found = load_yaml(b"a: &x {k: v}\nb: {<<: *x, k: w}\nc: {<<: *x, <<: *x}\n", file="f.yml")
    assert found.duplicates == ()
    assert found.mapping["b"] == {"k": "w"}


def test_a_large_file_is_refused() -> None:
    with pytest.raises(ProjectError, match="more than"):
        load_yaml(b"a: 1\n" + b"#" * MOST_BYTES, file="f.yml")
