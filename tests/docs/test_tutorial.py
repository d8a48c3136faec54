"""The tutorial, from the first command to the last, in an empty folder."""

from pathlib import Path

import pytest
from page_runner import PageRunner, page_env
from pages import DOCS, read_page

pytestmark = [pytest.mark.dbt, pytest.mark.airflow, pytest.mark.slow]


def test_the_tutorial_works_as_it_is_written(tmp_path: Path, programs: Path) -> None:
    folder = tmp_path / "tea"
    folder.mkdir()
    runner = PageRunner(folder, page_env(tmp_path, programs))
    assert runner.run(read_page(DOCS / "tutorial" / "first-project.md")) >= 10
    assert (folder / "example.duckdb").exists()
