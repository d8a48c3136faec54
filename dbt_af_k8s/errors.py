"""One error tree, and `Issue`: a problem told as where, what, and how to mend it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

#: Longest piece of a user's text that a message repeats, in characters.
LONGEST_QUOTE = 80
#: Longest run of characters without a blank, and longest message: a name from a manifest may have any length.
LONGEST_WORD = 300
LONGEST_MESSAGE = 4_000
#: So many nodes are told one by one when they all have the same problem; of more, only so many are named.
MOST_ALIKE = 3


class Severity(StrEnum):
    """How bad an issue is: an error stops the node or the project, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem of a project.

    `code` is a stable kebab-case name (`unknown-target`), for machines and for the docs. `file` is relative to
    the project where it lies inside it. `node` is a dbt unique_id. `key` is the dotted path of the setting.
    """

    severity: Severity
    code: str
    message: str
    fix: str
    file: str | None = None
    node: str | None = None
    key: str | None = None
    #: Where in the file, both from 1; None where it is not known.
    line: int | None = None
    column: int | None = None

    @property
    def is_error(self) -> bool:
        """Whether the issue stops what it is about."""
        return self.severity is Severity.ERROR

    @property
    def place(self) -> str:
        """Where it is, for a person: file with line and column, node and key, as far as they are known."""
        return ", ".join(one_line(part) for part in (self.file_mark, self.node, self.key) if part) or "project"

    @property
    def file_mark(self) -> str | None:
        """The file with line and column as editors and terminals take them: `models/_orders.yml:12:9`."""
        if self.file is None or self.line is None:
            return self.file
        return f"{self.file}:{self.line}" if self.column is None else f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        """Three lines for a terminal or a log."""
        return f"{self.severity} [{self.code}] {self.place}\n  {self.message}\n  Fix: {self.fix}"


def issue_order(issue: Issue) -> tuple[str, ...]:
    """Sort key: errors first, then by place, so that the same project tells its problems in the same order."""
    where = (issue.file or "", issue.node or "", issue.key or "")
    return (issue.severity.value, *where, issue.code, issue.message)


def folded(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """The issues in order, each once, and those that say the same of many nodes as one.

    That one stands at the first of its nodes and says how many there are and which come next.
    """
    alike: dict[tuple[str, ...], list[Issue]] = {}
    for issue in sorted(set(issues), key=issue_order):
        own = (issue.node is None and issue.file) or ""
        same = (issue.severity.value, issue.code, issue.message, issue.fix, issue.key or "", own)
        alike.setdefault(same, []).append(issue)
    told: list[Issue] = []
    for group in alike.values():
        nodes = list(dict.fromkeys(issue.node for issue in group if issue.node))
        if len(nodes) <= MOST_ALIKE:
            told.extend(group)
            continue
        others = ", ".join(f"`{node}`" for node in nodes[1 : MOST_ALIKE + 1])
        more = len(nodes) - 1 - MOST_ALIKE
        rest = f" and {more} more" if more > 0 else ""
        message = f"{group[0].message} The same goes for {len(nodes) - 1} other nodes: {others}{rest}."
        told.append(replace(group[0], message=one_line(message)))
    return tuple(sorted(told, key=issue_order))


def error(
    code: str, message: str, fix: str, *, file: str | None = None, node: str | None = None, key: str | None = None
) -> Issue:
    """Make an issue of severity error; what its texts repeat of a project's own is escaped and bounded (`one_line`)."""
    return Issue(Severity.ERROR, code, one_line(message), one_line(fix), file, node, key)


def warning(
    code: str, message: str, fix: str, *, file: str | None = None, node: str | None = None, key: str | None = None
) -> Issue:
    """Make an issue of severity warning; its texts as those of `error`."""
    return Issue(Severity.WARNING, code, one_line(message), one_line(fix), file, node, key)


def quoted(text: str) -> str:
    """A user's text for a message: in quotes, on one line, and cut when it is long."""
    cut = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return f"'{escaped(cut)}'"


def escaped(text: str) -> str:
    """The text with line breaks, control codes, invisible characters and lone surrogates as their escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def one_line(text: str) -> str:
    """A message that may repeat names of a manifest or a YAML file: on one line, each word and the whole bounded."""
    line = escaped(text)
    if len(line) > LONGEST_WORD:
        line = " ".join(_cut(word, LONGEST_WORD) for word in line.split(" "))
    return _cut(line, LONGEST_MESSAGE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def name_of_file(path: Path, project_dir: Path) -> str:
    """How messages call a file: relative to the project where it lies inside, with forward slashes."""
    try:
        name = path.resolve().relative_to(project_dir.resolve()).as_posix()
    except (OSError, ValueError):
        name = path.as_posix()
    return name if name.isprintable() else quoted(name)


class DbtAfK8sError(Exception):
    """Root of every error that this library raises on purpose."""


class ProjectError(DbtAfK8sError):
    """The project cannot be planned: carries every issue found, not only the first."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(sorted(issues, key=issue_order))
        super().__init__("\n".join(str(issue) for issue in self.issues))


class UsageError(DbtAfK8sError):
    """A call or a command line that asks for what cannot be: unknown DAG, unknown node, bad date."""


@contextmanager
def gathered(problems: list[str]) -> Iterator[None]:
    """Take the text of a `UsageError` down and go on, so that several are told together."""
    try:
        yield
    except UsageError as reason:
        problems.append(str(reason))


class FormError(UsageError):
    """A form that a person filled in cannot be followed: carries everything that is wrong with it."""

    def __init__(self, problems: Iterable[str]) -> None:
        """`problems` are sentences that begin with the name of their field."""
        self.problems = tuple(one_line(problem) for problem in problems)
        head = "The form has a problem:" if len(self.problems) == 1 else f"The form has {len(self.problems)} problems:"
        super().__init__("\n".join((head, *(f"- {problem}" for problem in self.problems))))


class PlanInvariantError(DbtAfK8sError):
    """`verify` found that the plan breaks a promise. Always a fault of this library; please report it."""
