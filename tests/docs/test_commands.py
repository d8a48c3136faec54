"""No page, no message and no program names a command or an option that does not exist."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import typer
from pages import ROOT, all_pages

from dbt_af_k8s.cli.main import app

_NAMED = re.compile(r"dbt-af-k8s (?P<command>[a-z]+)\b(?P<rest>[^`\n]*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_MAKE = re.compile(r"(?:^|[`$] ?)make (?P<target>[a-z]+)\b")


def commands() -> Mapping[str, frozenset[str]]:
    """Every command with its options."""
    program = typer.main.get_command(app)
    return {
        name: frozenset(
            option
            for each in (command, *getattr(command, "commands", {}).values())
            for param in each.params
            for option in param.opts
        )
        | {"--help"}
        for name, command in program.commands.items()  # type: ignore[attr-defined]
    }


def named_in(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line, command and options of everything that looks like a call of the program."""
    for number, line in enumerate(text.splitlines(), start=1):
        for match in _NAMED.finditer(line):
            rest = match["rest"].split("dbt-af-k8s")[0].split(" | ")[0].split("`")[0]
            yield number, match["command"], tuple(_OPTION.findall(rest))


def wrong_in(text: str, known: Mapping[str, frozenset[str]]) -> list[str]:
    """What is named there and does not exist."""
    found = []
    for number, command, options in named_in(text):
        if command not in known:
            found.append(f"line {number}: dbt-af-k8s {command}")
        else:
            found.extend(
                f"line {number}: dbt-af-k8s {command} {each}" for each in options if each not in known[command]
            )
    return found


def files() -> tuple[Path, ...]:
    """Whatever a user may read: pages, the package with its messages, the example and its programs."""
    sources = [path for folder in ("dbt_af_k8s", "example_project") for path in (ROOT / folder).rglob("*.py")]
    settings = [ROOT / "example_project" / name for name in ("dbt_af_k8s.yml", "dbt_project.yml", "profiles.yml")]
    return tuple(sorted([*(page.path for page in all_pages()), *sources, *settings, ROOT / "Makefile"]))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_that_is_named_exists(path: Path) -> None:
    assert wrong_in(path.read_text(encoding="utf-8"), commands()) == []


def test_every_make_target_that_is_named_exists() -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {(page.name, match["target"]) for page in all_pages() for match in _MAKE.finditer(page.text)}
    assert sorted(pair for pair in named if pair[1] not in known) == []
    assert {"demo", "test"} <= {target for name, target in named if name == "README.md"}


def test_a_wrong_command_is_found() -> None:
    text = "Run `dbt-af-k8s plan --format json | jq`, `dbt-af-k8s plan --formt json` or `dbt-af-k8s plant`."
    known = {"plan": frozenset({"--format"})}
    assert wrong_in(text, known) == ["line 1: dbt-af-k8s plan --formt", "line 1: dbt-af-k8s plant"]
