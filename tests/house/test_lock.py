"""The lock names versions and nothing else: no registry, no index, no path."""

import re
from pathlib import Path

import pytest

PIN = re.compile(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[0-9][a-z0-9.+!]*( ; .+)?")


def test_every_line_is_a_pin_or_a_comment(root: Path) -> None:
    lines = (root / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 100
    assert [line for line in lines if not line.startswith("#") and not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("file", ["requirements-dev.txt", "Makefile", ".ci/run", ".ci/install.py", "pyproject.toml"])
def test_no_tool_file_names_a_registry(root: Path, file: str) -> None:
    text = (root / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url[ =]\S*\.", text)


@pytest.mark.parametrize("line", ["--index-url x", "a @ file:///x", "-e .", "requests>=2"])
def test_other_lines_are_found(line: str) -> None:
    assert not PIN.fullmatch(line)
