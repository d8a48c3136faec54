"""Lines of keys."""

from dbt_af_k8s.config.yaml_lines import key_lines, line_of

TEXT = b"a: 1\nb:\n  c: [x,\n    y]\n  d: {e: 1}\n"


def test_every_key_and_item_has_its_line() -> None:
    assert dict(key_lines(TEXT)) == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 3,
        ("b", "c", 1): 4,
        ("b", "d"): 5,
        ("b", "d", "e"): 5,
    }


def test_what_is_not_written_has_the_line_of_what_is_above_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(("b", "d", "x", 3), lines) == 5
    assert line_of(("z",), lines) is None


def test_an_empty_file_has_none() -> None:
    assert key_lines(b"# nothing\n") == {}
