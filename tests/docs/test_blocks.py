"""Every code block of the documentation is run, page by page."""

import shutil
from pathlib import Path

import pytest
from page_runner import SHOWN_ONLY, PageRunner, merged, page_env
from pages import DOCS, ROOT, Block, Page, all_pages, read_page

#: The README and every page of docs/ that shows something to run. The tutorial has a test of its own.
RUN = tuple(
    page
    for page in all_pages()
    if (page.name == "README.md" or DOCS in page.path.parents) and "tutorial" not in page.path.parts
    if any(block.language not in SHOWN_ONLY for block in page.blocks())
)


@pytest.mark.dbt
@pytest.mark.airflow
@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=[page.name for page in RUN])
def test_the_blocks_of_the_page_run(page: Page, parsed_shop: Path, tmp_path: Path, programs: Path) -> None:
    """A page starts in a copy of the example project."""
    shop = Path(shutil.copytree(parsed_shop, tmp_path / "example_project"))
    PageRunner(shop, page_env(tmp_path, programs)).run(page)


def test_what_is_not_run_says_why() -> None:
    without = [
        f"{page.name}:{block.line}"
        for page in RUN
        for block in page.blocks()
        if block.marker("not run") is not None and len(block.marker("not run") or "") < 10
    ]
    assert without == []


def _page(text: str) -> Page:
    return Page(DOCS / "made_up.md", text)


def test_a_wrong_output_is_found(tmp_path: Path, programs: Path) -> None:
    page = _page("```console\n$ echo one   two\none two\n$ echo three\nfour\n```\n")
    with pytest.raises(AssertionError, match=r"docs/made_up\.md:1: `echo three` did not print 'four'"):
        PageRunner(tmp_path, page_env(tmp_path, programs)).run(page)


def test_a_wrong_exit_code_is_found(tmp_path: Path, programs: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 3"):
        PageRunner(tmp_path, page_env(tmp_path, programs)).run(_page("```sh\n$ exit 3\n```\n"))
    assert (
        PageRunner(tmp_path, page_env(tmp_path, programs)).run(_page("<!-- exit: 3 -->\n```sh\n$ exit 3\n```\n")) == 1
    )


def test_a_wrong_setting_is_found(tmp_path: Path, programs: Path) -> None:
    with pytest.raises(AssertionError, match="unknown-setting"):
        PageRunner(tmp_path, page_env(tmp_path, programs)).run(_page("```yaml\n# dbt_af_k8s.yml\nshedules: {}\n```\n"))
    with pytest.raises(AssertionError, match="unknown-node-setting"):
        PageRunner(tmp_path, page_env(tmp_path, programs)).run(
            _page("```yaml\n# dbt_project.yml\nmodels: {shop: {+meta: {dbt_af_k8s: {shedule: '@daily'}}}}\n```\n")
        )


def test_python_blocks_of_a_page_share_their_names(tmp_path: Path, programs: Path) -> None:
    page = _page("```python\none = 1\n```\n\n```python\nassert one == 1\nopen('made', 'w').close()\n```\n")
    assert PageRunner(tmp_path, page_env(tmp_path, programs)).run(page) == 2
    assert (tmp_path / "made").exists()


def test_yaml_is_added_to_what_is_there() -> None:
    there = {"models": [{"name": "a", "config": {"x": 1}}, {"name": "b"}], "version": 2}
    added = {"models": [{"name": "a", "config": {"y": 2}}, {"name": "c"}]}
    assert merged(there, added) == {
        "models": [{"name": "a", "config": {"x": 1, "y": 2}}, {"name": "b"}, {"name": "c"}],
        "version": 2,
    }


def test_markers_belong_to_the_block_below() -> None:
    page = _page("<!-- not run: it would never end -->\n```sh\n$ a\n```\n\n```sh\n$ b\n```\n")
    assert list(page.blocks()) == [
        Block("sh", "$ a\n", 2, (("not run", "it would never end"),)),
        Block("sh", "$ b\n", 6),
    ]


def test_every_page_is_read() -> None:
    assert read_page(ROOT / "README.md") in all_pages()
