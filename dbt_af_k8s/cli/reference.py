"""The reference page of the command line, written from the commands themselves."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from dbt_af_k8s.cli.main import COMMANDS, GROUPS, HELP


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One argument or option of a command."""

    name: str
    kind: type
    info: ArgumentInfo | OptionInfo
    default: Any


def reference_markdown() -> str:
    """Every command with its arguments and options, as Markdown. The same text each time."""
    lines = [
        "# Command line",
        "",
        f"`dbt-af-k8s COMMAND [OPTIONS]`. {HELP}",
        "",
        "Human output on a terminal has colour and tables; `--format json` writes JSON and nothing else on stdout.",
        "Exit codes: 0 fine, 1 findings (an error in the project, a task that failed), 2 usage or unreadable input, 70",
        "a fault of the program itself (`DBT_AF_K8S_DEBUG=1` adds the traceback), 130 stopped by Ctrl-C,",
        "128 and its number by another signal.",
    ]
    for name, command in COMMANDS.items():
        lines += ["", *_command(name, command)]
    for word, commands in GROUPS.items():
        for second, subcommand in commands.items():
            lines += ["", *_command(f"{word} {second}", subcommand)]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Callable[..., None]) -> Iterator[str]:
    parameters = list(_parameters(command))
    arguments = [each for each in parameters if isinstance(each.info, ArgumentInfo)]
    options = [each for each in parameters if isinstance(each.info, OptionInfo)]
    yield f"## {name}"
    yield ""
    yield f"`{' '.join(['dbt-af-k8s', name, *(str(each.info.metavar) for each in arguments), '[OPTIONS]'])}`"
    yield ""
    yield inspect.cleandoc(command.__doc__ or "")
    yield ""
    yield "| Option | Meaning | Default |"
    yield "|---|---|---|"
    for each in arguments:
        yield f"| `{each.info.metavar}` | {_cell(each.info.help or '')} | required |"
    for each in sorted(options, key=_spellings):
        yield f"| {_names(each)} | {_meaning(each)} | {_default(each)} |"


def _parameters(command: Callable[..., None]) -> Iterator[_Parameter]:
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        kind, info = get_args(hints[name])
        if get_origin(kind) in (UnionType, Union):
            kind = next(each for each in get_args(kind) if each is not NoneType)
        yield _Parameter(name, kind, info, parameter.default)


def _names(parameter: _Parameter) -> str:
    value = ""
    if issubclass(parameter.kind, StrEnum):
        value = " " + "|".join(parameter.kind)
    elif parameter.kind is not bool:
        value = f" {parameter.info.metavar}"
    return ", ".join(f"`{_cell(name + value)}`" for name in _spellings(parameter))


def _spellings(parameter: _Parameter) -> tuple[str, ...]:
    """Its names; typer keeps the first of them where a default would stand outside of `Annotated`."""
    return tuple(
        each for each in (parameter.info.default, *(parameter.info.param_decls or ())) if isinstance(each, str)
    )


def _meaning(parameter: _Parameter) -> str:
    variable = f" Environment: `{parameter.info.envvar}`." if parameter.info.envvar else ""
    return _cell(f"{parameter.info.help or ''}{variable}")


def _default(parameter: _Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return "required"
    if parameter.default is None:
        return ""
    return "off" if parameter.default is False else f"`{_cell(str(parameter.default))}`"


def _cell(text: str) -> str:
    """A text fit for a table cell."""
    return " ".join(text.split()).replace("|", "\\|")
