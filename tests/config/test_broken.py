"""The texts for broken settings, profiles, projects and node settings: one folder of `broken/` each.

A folder holds the files as a project has them (`node.json`: the `meta` and `config` of a node), perhaps a `case.json`
with options and environment, and `expected.txt`. `UPDATE_GOLDENS=1` writes that anew; never set in CI.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.config.node_settings import read_node_settings
from dbt_af_k8s.config.read import read_dbt_project, read_profile, read_settings
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.settings import NodeSettingsPlaces
from dbt_af_k8s.errors import Issue, ProjectError, issue_order

CASES = sorted(path for path in (Path(__file__).parent / "broken").iterdir() if path.is_dir())


def issues_of(case: Path) -> Iterator[Issue]:
    files = {path.name for path in case.iterdir()}
    options: dict[str, Any] = json.loads((case / "case.json").read_text()) if "case.json" in files else {}
    if "dbt_project.yml" in files or "project" in options:
        try:
            read_dbt_project(case, env=options.get("env"))
        except ProjectError as failed:
            yield from failed.issues
    if "dbt_af_k8s.yml" in files or "settings" in options:
        path = case / options["settings"] if "settings" in options else None
        config, file, issues = read_settings(path, project_dir=case)
        yield from issues
        yield from resolve_settings(config, file=file)[1]
    if "profile" in options:
        folder = options.get("profiles_dir")
        _, issues = read_profile(
            options["profile"],
            project_dir=case,
            profiles_dir=case / folder if folder else None,
            env=options.get("env", {}),
            target=options.get("target"),
        )
        yield from issues
    if "node.json" in files:
        node = json.loads((case / "node.json").read_text())
        places = NodeSettingsPlaces()
        name = "model.shop.orders"
        yield from read_node_settings(node["config"], node["meta"], places, node=name, file="models/_orders.yml")[1]


def told(case: Path) -> str:
    text = "\n".join(str(issue) for issue in sorted(issues_of(case), key=issue_order)) + "\n"
    return text.replace(str(case.parent.parent), "<above>")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_text_of_a_broken_input(case: Path) -> None:
    text = told(case)
    expected = case / "expected.txt"
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        expected.write_text(text, encoding="utf-8")
    assert text.strip(), "a broken input that nobody is told about"
    assert text == expected.read_text(encoding="utf-8")


def test_no_value_of_a_variable_is_told() -> None:
    texts = "".join((case / "expected.txt").read_text(encoding="utf-8") for case in CASES)
    assert "hidden" not in texts
    assert "value-of-the-variable" not in texts


def test_there_are_cases() -> None:
    assert len(CASES) >= 50
