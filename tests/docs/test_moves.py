"""Every field that people move from has a row on the page about the move."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from moved_fields import COSMOS, DBT_AF_CONFIG, DBT_AF_RUN_PARAMETERS, DBT_AF_VARS

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
#: Sections that the tables of the page go through one by one, under their own headings.
HEADED = re.compile(r"^#+ (.+)$", re.MULTILINE)


def told(page: str) -> set[str]:
    """Names in the first column of a page's tables, each part of a dotted one, and words of headings."""
    text = (HOW_TO / page).read_text()
    found = {word for heading in HEADED.findall(text) for word in re.findall(r"[\w-]+", heading)}
    for line in text.splitlines():
        if line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            assert len(cells) >= 2, line
            assert cells[-1], line
            for code in re.findall(r"`([^`]+)`", cells[0]):
                found.update(re.findall(r"[\w-]+", code))
    return found


def missing(page: str, names: Iterable[str]) -> list[str]:
    known = told(page)
    return [name for name in names if name not in known]


@pytest.mark.parametrize("name", DBT_AF_CONFIG)
def test_every_field_of_dbt_af(name: str) -> None:
    assert missing("move-from-dbt-af.md", DBT_AF_CONFIG[name]) == []


def test_everything_that_dbt_af_hands_to_dbt() -> None:
    assert missing("move-from-dbt-af.md", (*DBT_AF_VARS, *DBT_AF_RUN_PARAMETERS)) == []


@pytest.mark.parametrize("name", [name for name in COSMOS if name.endswith("Config")])
def test_every_field_of_cosmos(name: str) -> None:
    assert missing("move-from-cosmos.md", COSMOS[name]) == []


def test_every_execution_mode_of_cosmos() -> None:
    assert missing("move-from-cosmos.md", COSMOS["ExecutionMode"]) == []


def test_a_name_that_is_not_there_is_missed() -> None:
    assert missing("move-from-cosmos.md", ("no_such_field", "load_method")) == ["no_such_field"]
