"""No link leads nowhere, and every page can be reached from the first one."""

from pathlib import Path

from pages import DOCS, Page, all_pages, broken_links


def test_every_link_leads_somewhere() -> None:
    assert broken_links(all_pages()) == ()


def test_every_page_can_be_reached_from_the_map() -> None:
    pages = {page.path: page for page in all_pages()}
    reached, ahead = set(), [DOCS / "index.md"]
    while ahead:
        path = ahead.pop()
        if path in reached or path not in pages:
            continue
        reached.add(path)
        ahead += [(path.parent / target.partition("#")[0]).resolve() for _, target in pages[path].links()]
    assert sorted(str(path) for path in pages if DOCS in path.parents and path not in reached) == []


def test_a_wrong_link_is_found(tmp_path: Path) -> None:
    text = "[a](index.md) [b](nowhere.md) [c](#one-two) [`e`](https://e.example)\n\n[d\ne](#three) `[f](no)`\n"
    page = Page(DOCS / "made_up.md", f"# One two\n\n{text}")
    assert broken_links((page,)) == (
        "docs/made_up.md:3: nowhere.md: there is no such file",
        "docs/made_up.md:5: #three: the page has no such heading",
    )


def test_anchors_are_github_s() -> None:
    page = Page(DOCS / "made_up.md", "# `retries.<kind>`: a, b\n\n## Same\n\n## Same\n\n```sh\n# none\n```\n")
    assert page.anchors() == {"retrieskind-a-b", "same", "same-1"}
