"""Writing to the terminal: plain values as JSON, issues and tables for people, in colour where it is a terminal."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dbt_af_k8s.errors import Issue, issue_order

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

#: Width of tables where the output is no terminal, in columns.
PIPE_WIDTH = 120
#: Places of one fault that are named; `--format json` has all.
_MOST_PLACES = 6
#: Colours of the terminal's own palette, so that they fit a light and a dark one.
STYLES = {"error": "bold red", "warning": "yellow", "fine": "green", "soft": "dim", "name": "bold", "accent": "cyan"}


def console(*, stderr: bool = False) -> "Console":
    """A console on stdout or stderr. Rich itself heeds NO_COLOR, TERM and COLUMNS."""
    from rich.console import Console
    from rich.theme import Theme

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(theme=Theme(STYLES), stderr=stderr, highlight=False, soft_wrap=False, width=width)


def write_text(text: str) -> None:
    """Text as it is on stdout, in UTF-8 whatever the locale, and a lone surrogate as its escape."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text)
        return
    buffer.write(text.encode("utf-8", "backslashreplace"))
    buffer.flush()


def write_json(value: Any) -> None:
    """A plain value as JSON on stdout, and nothing else."""
    write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def safe(text: str) -> str:
    """A text from a project, made fit for a terminal: no control codes, no markup of rich."""
    from rich.markup import escape

    clean = "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    # A backslash before the closing bracket that we write after the text would escape it.
    return escape(clean) + ("\\" if clean.endswith("\\") else "")


def counted(count: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def issue_lines(issues: Sequence[Issue]) -> Iterator["RenderableType"]:
    """Issues, errors first: what is wrong, the fix, and where. The same fault in many places is told once."""
    from rich.padding import Padding

    groups: dict[tuple[bool, str, str, str], list[Issue]] = {}
    for issue in sorted(issues, key=issue_order):
        groups.setdefault((not issue.is_error, issue.code, issue.message, issue.fix), []).append(issue)
    for (is_warning, code, message, fix), found in sorted(groups.items(), key=lambda group: group[0][0]):
        style, mark = ("warning", "!") if is_warning else ("error", "✗")
        yield f"[{style}]{mark} {code}[/]"
        yield Padding(safe(message), (0, 0, 0, 2))
        yield Padding(f"[accent]→[/] {safe(fix)}", (0, 0, 0, 2))
        for issue in found[:_MOST_PLACES]:
            yield Padding(f"[soft]at[/] {_place(issue)}", (0, 0, 0, 2))
        if len(found) > _MOST_PLACES:
            yield Padding(f"[soft]and {counted(len(found) - _MOST_PLACES, 'more place')}[/]", (0, 0, 0, 2))
        yield ""


def _place(issue: Issue) -> str:
    """Where it is, the file first."""
    file = f"[name]{safe(issue.file_mark)}[/]" if issue.file_mark else ""
    rest = " · ".join(safe(part) for part in (issue.node, issue.key) if part)
    return "  ".join(part for part in (file, f"[soft]{rest}[/]" if rest else "") if part) or "the project"


def issue_count(issues: Iterable[Issue]) -> str:
    """`2 errors, 1 warning`, coloured; empty where there is none."""
    issues = tuple(issues)
    errors = sum(issue.is_error for issue in issues)
    warnings = len(issues) - errors
    parts = [f"[error]{counted(errors, 'error')}[/]"] if errors else []
    parts += [f"[warning]{counted(warnings, 'warning')}[/]"] if warnings else []
    return ", ".join(parts)


def print_issues(issues: Sequence[Issue], *, stderr: bool = False) -> None:
    """All issues with their count."""
    target = console(stderr=stderr)
    for line in issue_lines(issues):
        target.print(line)
    target.print(issue_count(issues))


def table(*columns: str) -> "Table":
    """An empty table with these columns, plain enough to be copied."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, header_style="soft", show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
