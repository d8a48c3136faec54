"""Our selections beside dbt's own, over drawn projects and drawn selections of the whole grammar."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selection_project import SelectionProject, SelectionTerms

from dbt_af_k8s.graph.select import Selector
from dbt_af_k8s.manifest.read import read_manifest
from dbt_af_k8s.manifest.values import Manifest

pytestmark = pytest.mark.dbt

CHILD = Path(__file__).parents[1] / "selection_child.py"
PROJECT_FILES = {
    "dbt_project.yml": json.dumps(
        {
            "name": "shop",
            "version": "1.0",
            "config-version": 2,
            "profile": "shop",
            "on-run-end": ["select 1"],
            "models": {"shop": {"marts": {"+tags": ["weekly"]}}},
            "data_tests": {"shop": {"+tags": ["checked"]}},
        }
    ),
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}",
}
#: What dbt follows and we refuse, by a part of our message: each would be a typo that dbt guesses at, or nothing.
STRICTER = ("is not a selection",)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


class DbtSelector:
    """dbt with a project parsed, in one process."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._stdin, self._stdout = child.stdin, child.stdout
        self._line("PARSED")

    def answers(self, questions: list[dict[str, Any]]) -> list[Any]:
        """The unique_ids of each selection, or `{"error": ...}`. To be asked once."""
        self._stdin.write(json.dumps(questions))
        self._stdin.close()
        answers = json.loads(self._line("ANSWERS"))
        assert len(answers) == len(questions)
        return list(answers)

    def _line(self, begin: str) -> str:
        seen = ""
        for line in self._stdout:
            if line.startswith(begin):
                return line.removeprefix(begin)
            seen += line
        raise AssertionError(seen[-3000:])


@contextmanager
def dbt_in(programs: Path, folder: Path) -> Iterator[DbtSelector]:
    """Parse the project in the folder; dbt ends with the block."""
    command = [programs / "python", "-c", CHILD.read_text(encoding="utf-8")]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        yield DbtSelector(child)


def ours(selector: Selector, question: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What we select, and why not."""
    if "selector" in question:
        picked = selector.select_by_name(question["selector"], key="select")
    else:
        picked = selector.select(question["select"], key="select")
    barred = selector.select(question.get("exclude") or (), key="exclude")
    refusals = [
        issue.message
        for issue in (*picked.issues, *barred.issues)
        if issue.is_error and issue.code != "selection-matches-nothing"
    ]
    return sorted(picked.chosen - barred.chosen), refusals


def differences(manifest: Manifest, questions: list[dict[str, Any]], answers: list[Any]) -> list[str]:
    selector = Selector(manifest, {})
    found: list[str] = []
    for question, answer in zip(questions, answers, strict=True):
        chosen, refusals = ours(selector, question)
        if isinstance(answer, dict):
            if not refusals:
                found.append(f"{question}: dbt refuses ({answer['error'][:200]}), we do not")
        elif refusals:
            if not all(any(part in refusal for part in STRICTER) for refusal in refusals):
                found.append(f"{question}: we refuse ({refusals}), dbt does not")
        elif chosen != answer:
            missing, more = sorted(set(answer) - set(chosen)), sorted(set(chosen) - set(answer))
            found.append(f"{question}: we lack {missing}, we have besides {more}")
    return found


def questions_of(terms: SelectionTerms, number: int) -> list[dict[str, Any]]:
    questions: list[dict[str, Any]] = []
    for _ in range(number):
        exclude = terms.selection() if terms.rng.random() < 0.3 else None
        questions.append({"select": terms.selection(), "exclude": exclude})
    return questions


def compare(programs: Path, folder: Path, seed: int, number: int) -> None:
    project = SelectionProject(seed)
    write(folder, PROJECT_FILES | project.files)
    with dbt_in(programs, folder) as dbt:
        written = json.loads((folder / "target" / "manifest.json").read_bytes())
        questions = questions_of(SelectionTerms(written, seed), number)
        questions += [{"selector": entry["name"]} for entry in project.selectors]
        answers = dbt.answers(questions)
    manifest = read_manifest(folder / "target" / "manifest.json", project_dir=folder)
    selected = sum(bool(answer) for answer in answers if isinstance(answer, list))
    assert selected > len(questions) / 3, "many selections should select something"
    found = differences(manifest, questions, answers)
    assert not found, "\n".join(found[:20])


def test_the_same_as_dbt(programs: Path, tmp_path: Path) -> None:
    compare(programs, tmp_path, 1, 600)


@pytest.mark.load
@pytest.mark.parametrize("seed", range(2, 22))
def test_the_same_as_dbt_in_other_projects(programs: Path, tmp_path: Path, seed: int) -> None:
    compare(programs, tmp_path, seed, 3000)


def test_the_same_as_dbt_ls_in_the_example(programs: Path, fresh_shop: Path) -> None:
    """The command itself, with what people write."""
    by_command: list[dict[str, Any]] = [
        {"select": ["+orders", "path:models/web"], "exclude": ["test_name:not_null"], "ls": True},
        {"select": ["models/**/*.sql,config.materialized:table+"], "exclude": None, "ls": True},
    ]
    with dbt_in(programs, fresh_shop) as dbt:
        written = json.loads((fresh_shop / "target" / "manifest.json").read_bytes())
        questions = questions_of(SelectionTerms(written, 1), 200)
        answers = dbt.answers([*by_command, *questions])
    manifest = read_manifest(fresh_shop / "target" / "manifest.json", project_dir=fresh_shop)
    for question, answer in zip(by_command, answers, strict=False):
        chosen, _ = ours(Selector(manifest, {}), question)
        assert answer == [key for key in chosen if not key.startswith(("analysis.", "operation."))] != []
    found = differences(manifest, questions, answers[len(by_command) :])
    assert not found, "\n".join(found[:20])
