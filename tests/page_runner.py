"""Runs the code blocks of one page, in order, in a folder of the page's own.

What a block may be:

- `console` or `sh` with lines that begin with `$ `: each is run by the shell, in the folder that `cd` went to last.
  The lines below it must all occur in what it printed, blanks apart; a line `...` stands for any.
  `<!-- exit: 1 -->` before the block says how its last command ends.
- `python`: run in a process of its own, after the page's earlier Python blocks.
- `yaml`, `sql`, `csv`, and `python` of a model, with a first line `# path` or `-- path`: put into that file. YAML is
  merged into what is there, as a person would add it. The settings file and node settings are checked, unless the
  block is marked `<!-- wrong on purpose -->`.
- `<!-- not run: why -->` before a block: it is not run.
- `<!-- needs: cluster -->` (or `kubectl`, `time`): it is run where that is there; see `test_kubernetes_101.py`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pages import Block, Page

from dbt_af_k8s.config.node_settings import read_node_settings
from dbt_af_k8s.config.parse import parse_config
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.settings import NodeSettingsPlaces
from dbt_af_k8s.errors import Issue
from dbt_af_k8s.schedule.parse import named_schedule_errors

SETTINGS_FILE = "dbt_af_k8s.yml"
#: Languages of blocks that are only shown.
SHOWN_ONLY = ("", "text", "mermaid", "json")
_FILE_LINE = re.compile(r"^(?:#|--) (?P<path>[\w./-]+\.\w+)\n")
_MODEL = "# models/"
_LONGEST = 900  # seconds of one command, on a busy machine


class PageRunner:
    """The state of one page while its blocks run: the folder, and the Python so far."""

    def __init__(self, folder: Path, env: Mapping[str, str], has: Collection[str] = ()) -> None:
        self.folder = folder
        self._has = has
        self._env = dict(env)
        self._python: list[str] = []

    def run(self, page: Page) -> int:
        """Run every block; return how many were run. AssertionError names page and line of what differs."""
        count = 0
        for block in page.blocks():
            if block.language in SHOWN_ONLY or block.marker("not run") is not None:
                continue
            if (block.marker("needs") or "nothing") not in ("nothing", *self._has):
                continue
            try:
                self._run(block)
            except AssertionError as fault:
                raise AssertionError(f"{page.name}:{block.line}: {fault}") from None
            count += 1
        return count

    def _run(self, block: Block) -> None:
        match block.language:
            case "console" | "sh":
                self._console(block)
            case "python" if block.text.startswith(_MODEL):
                self._file(block)
            case "python":
                self._python.append(block.text)
                self._finished(["python", "-c", "\n".join(self._python)], 0)
            case "yaml" | "sql" | "csv" | "jinja" | "py":
                self._file(block)
            case other:
                raise AssertionError(f"nobody knows how to run a block of {other}")

    def _console(self, block: Block) -> None:
        commands = list(_commands(block.text))
        assert commands, "no line begins with `$ `"
        for position, (command, shown) in enumerate(commands):
            if command.startswith("cd "):
                self.folder = (self.folder / command[3:].strip()).resolve()
                continue
            code = int(block.marker("exit") or 0) if position == len(commands) - 1 else 0
            printed = _plain(self._finished(["sh", "-c", command], code))
            missing = [line for line in shown if line.strip() != "..." and _plain(line) not in printed]
            assert not missing, f"`{command}` did not print {missing[0]!r}, but:\n{printed}"

    def _finished(self, argv: list[str], code: int) -> str:
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
        assert done.returncode == code, f"{argv[-1]!r} ended with {done.returncode}:\n{done.stdout[-4000:]}"
        return done.stdout

    def _file(self, block: Block) -> None:
        named = _FILE_LINE.match(block.text)
        assert named, "the first line must name the file, as `# dbt_af_k8s.yml`"
        path = self.folder / named["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block.text[named.end() :]
        if block.language != "yaml":
            path.write_text(text, encoding="utf-8")
            return
        added = yaml.safe_load(text)
        if block.marker("wrong on purpose") is None:
            found = wrong_settings(added) if path.name == SETTINGS_FILE else wrong_node_settings(added)
            assert not found, "\n".join(str(issue) for issue in found)
        there = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(yaml.safe_dump(merged(there or {}, added), sort_keys=False), encoding="utf-8")


def wrong_settings(written: Any) -> tuple[Issue, ...]:
    """What the library finds wrong in a settings file."""
    config, issues = parse_config(written, file=SETTINGS_FILE)
    settings, more = resolve_settings(config, file=SETTINGS_FILE)
    assert named_schedule_errors(settings.schedules.named, settings.dags.timezone) == ()
    return (*issues, *more)


def wrong_node_settings(written: Any) -> tuple[Issue, ...]:
    """What the library finds wrong in the `meta` of a dbt file, wherever it stands in it."""
    found: list[Issue] = []
    for meta in _metas(written):
        _, issues = read_node_settings({}, meta, NodeSettingsPlaces(), node="shown", file="a page")
        found.extend(issues)
    return tuple(found)


def merged(there: Any, added: Any) -> Any:
    """Mappings key by key, lists of named things by name; everything else is replaced."""
    if isinstance(there, dict) and isinstance(added, dict):
        return there | {key: merged(there[key], value) if key in there else value for key, value in added.items()}
    if isinstance(there, list) and isinstance(added, list) and _are_named(there) and _are_named(added):
        by_name = {item["name"]: item for item in there}
        return list((by_name | {item["name"]: merged(by_name.get(item["name"], {}), item) for item in added}).values())
    return added


def _are_named(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "name" in item for item in items)


def _metas(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key == "exposures":  # what stands there is no node
                continue
            if key in ("meta", "+meta") and isinstance(below, dict):
                yield below
            yield from _metas(below)
    elif isinstance(value, list):
        for item in value:
            yield from _metas(item)


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines shown below it. A `\\` at the end of a line goes on in the next."""
    command, shown = "", []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        elif command and line.strip():
            shown.append(line)
    if command:
        yield command, shown


def _plain(text: str) -> str:
    """Without colours, and with single blanks, so that a table's width does not matter."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text)).strip()


def page_env(home: Path, programs: Path) -> dict[str, str]:
    """The environment of the commands: these programs first, then this Python's; an Airflow home of the page's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DBT_"))}
    return kept | {
        "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "HOME": str(home),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
