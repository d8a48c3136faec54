"""Issues and messages repeat what projects hold: any text must come out on one line, and not without end."""

from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.errors import LONGEST_MESSAGE, LONGEST_WORD, error, escaped, folded, one_line, quoted, warning

NASTY = st.text(max_size=40) | st.sampled_from(
    ["\n", "\r\n", "\x1b[2J", "\u2028", "\u202e", "\ud800", "a\0b", "x" * 9_000]
)


@given(NASTY, NASTY, NASTY, NASTY, NASTY)
def test_an_issue_is_three_lines_whatever_the_project_holds(
    message: str, fix: str, file: str, node: str, key: str
) -> None:
    for make in (error, warning):
        issue = make("a-code", message, fix, file=file, node=node, key=key)
        assert len(str(issue).splitlines()) == 3
        assert all(line.isprintable() for line in str(issue).split("\n"))
        assert len(str(issue)) < 3 * LONGEST_MESSAGE
        assert (issue.file, issue.node, issue.key) == (file, node, key)  # who compares ids has them as they are


@given(st.lists(NASTY, min_size=4, max_size=8, unique=True))
def test_many_nodes_with_one_problem_are_told_on_one_line(nodes: list[str]) -> None:
    assert all("\n" not in issue.message for issue in folded(error("c", "m", "f", node=node) for node in nodes))


@given(NASTY)
def test_texts_that_can_be_printed_stay_as_they_are(text: str) -> None:
    for make in (escaped, one_line, quoted):
        assert make(text).isprintable()
    if text.isprintable() and len(text) <= LONGEST_WORD:
        assert one_line(text) == escaped(text) == text


def test_the_cause_stands_behind_a_name_of_any_length() -> None:
    line = one_line(f"`{'n' * 100_000}` has no file.")
    assert line.endswith("… has no file.")
    assert len(line) < 2 * LONGEST_WORD
