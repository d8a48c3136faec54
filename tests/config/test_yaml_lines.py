"""Where keys stand."""

from dbt_af_k8s.config.yaml_lines import key_marks, line_of

TEXT = b"a: 1\nb:\n  c: [x,\n    y]\n  d: {e: 1}\n"


def test_every_key_and_item_has_its_mark() -> None:
    assert dict(key_marks(TEXT)) == {
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("b", "c"): (3, 3),
        ("b", "c", 0): (3, 7),
        ("b", "c", 1): (4, 5),
        ("b", "d"): (5, 3),
        ("b", "d", "e"): (5, 7),
    }


def test_what_is_not_written_has_the_line_of_what_is_above_it() -> None:
    lines = key_marks(TEXT)
    assert line_of(("b", "d", "x", 3), lines) == 5
    assert line_of(("z",), lines) is None


def test_an_empty_file_has_none() -> None:
    assert key_marks(b"# nothing\n") == {}
