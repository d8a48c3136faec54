"""No line of a log is lost or told twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.jobs.tail import DEFAULT_EVERY, LogPosition, TailSettings, new_lines, tail_settings


def stamped(second: int, words: str) -> str:
    return f"2026-03-01T00:00:{second:02}.000000000Z {words}"


def test_only_new_lines_are_told() -> None:
    log = [stamped(1, "a"), stamped(1, "a"), stamped(2, "b b"), stamped(2, "c")]
    first, position = new_lines("\n".join(log[:3]), LogPosition())
    second, position = new_lines("\n".join(log), position)
    third, position = new_lines("\n".join(log), position)
    assert (first, second, third) == (("a", "a", "b b"), ("c",), ())
    assert position.count == 2


def test_a_line_without_a_stamp_belongs_to_the_one_before() -> None:
    text = f"{stamped(1, 'a')}\nrest\n{stamped(2, 'b')}"
    lines, position = new_lines(text, LogPosition())
    assert lines == ("a", "rest", "b")
    assert new_lines(text, position)[0] == ()


def test_at_most_so_many_lines_the_last_ones() -> None:
    text = "\n".join(stamped(second, str(second)) for second in range(10))
    lines, position = new_lines(text, LogPosition(), most=2)
    assert lines == ("... 8 lines before are left out", "8", "9")
    assert new_lines(text, position, most=2)[0] == ()


@given(
    seconds=st.lists(st.integers(0, 5), max_size=30).map(sorted),
    cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6),
)
def test_reading_again_and_again_tells_each_line_once(seconds: list[int], cuts: list[tuple[int, int]]) -> None:
    log = [stamped(second, str(number)) for number, second in enumerate(seconds)]
    told: list[str] = []
    position = LogPosition()
    for end in [*sorted(end for end, _ in cuts), len(log)]:
        lines, position = new_lines("\n".join(log[:end]), position)
        told += lines
    assert told == [str(number) for number in range(len(log))]


@given(seconds=st.lists(st.integers(0, 9), min_size=1, max_size=30).map(sorted), data=st.data())
def test_a_look_that_begins_later_loses_nothing(seconds: list[int], data: st.DataObject) -> None:
    """`since_seconds` cuts the front off, up to some second before the last look."""
    log = [stamped(second, str(number)) for number, second in enumerate(seconds)]
    read = data.draw(st.integers(1, len(log)))
    since = data.draw(st.integers(0, seconds[read - 1]))
    first, position = new_lines("\n".join(log[:read]), LogPosition())
    rest = [line for line, second in zip(log, seconds, strict=True) if second >= since]
    second, _ = new_lines("\n".join(rest), position)
    assert [*first, *second] == [str(number) for number in range(len(log))]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((None, None, None, None), TailSettings()),
        ((True, None, None, None), TailSettings(True)),
        ((None, 30, None, None), TailSettings(True, 30)),
        ((None, None, 5, None), TailSettings(True, None, 5)),
        ((None, None, None, True), TailSettings(True, None, None, True)),
        ((None, None, None, False), TailSettings()),
        ((False, None, None, None), TailSettings()),
    ],
)
def test_any_of_the_last_three_implies_the_first(
    keys: tuple[bool | None, int | None, int | None, bool | None], expected: TailSettings
) -> None:
    assert tail_settings(*keys) == expected
    assert tail_settings(*keys).seconds == (keys[1] or DEFAULT_EVERY)


@pytest.mark.parametrize(
    "keys", [(False, 5, None, None), (False, None, None, True), (None, 5, None, True), (None, 0, None, None)]
)
def test_what_contradicts_is_refused(keys: tuple[bool | None, int | None, int | None, bool | None]) -> None:
    with pytest.raises(UsageError, match="tail_logs"):
        tail_settings(*keys)
