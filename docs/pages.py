"""Reading the Markdown pages: code blocks with their markers, headings with their anchors, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,})(?P<language>[\w-]*)\s*$")
_MARKER = re.compile(r"^ {0,3}<!-- (?P<key>[a-z ]+?)(?:: (?P<value>.+?))? -->$")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+?)\s*$")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the `<!-- key: value -->` comments on the lines before it."""

    language: str
    text: str
    #: Line number of the opening fence, from 1.
    line: int
    markers: tuple[tuple[str, str], ...] = ()

    def marker(self, key: str) -> str | None:
        """The value of a marker, or None."""
        return dict(self.markers).get(key)


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Path in the repository, for messages and test ids."""
        return self.path.relative_to(ROOT).as_posix()

    def blocks(self) -> Iterator[Block]:
        """Every fenced block, in order."""
        lines = self.text.splitlines()
        markers: list[tuple[str, str]] = []
        position = 0
        while position < len(lines):
            line = lines[position]
            if match := _MARKER.match(line):
                markers.append((match["key"], match["value"] or ""))
            elif fence := _FENCE.match(line):
                start = position
                position += 1
                body = []
                while lines[position].strip() != fence["ticks"]:
                    body.append(lines[position].removeprefix(fence["indent"]))
                    position += 1
                yield Block(fence["language"], "\n".join(body) + "\n", start + 1, tuple(markers))
                markers = []
            elif line.strip():
                markers = []
            position += 1

    def prose(self) -> Iterator[tuple[int, str]]:
        """Every line outside of fenced blocks, with its number."""
        inside = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            fence = _FENCE.match(line)
            if not inside and fence:
                inside = fence["ticks"]
            elif inside and line.strip() == inside:
                inside = ""
            elif not inside:
                yield number, line

    def anchors(self) -> frozenset[str]:
        """What `#...` can name on this page, by GitHub's rules."""
        seen: dict[str, int] = {}
        found = set()
        for _, line in self.prose():
            match = _HEADING.match(line)
            if match is None:
                continue
            anchor = re.sub(r"[^\w\- ]", "", match["text"].lower().replace("`", "")).replace(" ", "-")
            count = seen.get(anchor, 0)
            seen[anchor] = count + 1
            found.add(f"{anchor}-{count}" if count else anchor)
        return frozenset(found)

    def links(self) -> Iterator[tuple[int, str]]:
        """The target of every link and picture, with the line number where it begins. A link may go over lines."""
        lines = dict(self.prose())
        text = "\n".join(lines.get(number, "") for number in range(1, max(lines, default=0) + 1))
        text = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
        for match in _LINK.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match["target"]


def read_page(path: Path) -> Page:
    """One page."""
    return Page(path, path.read_text(encoding="utf-8"))


def all_pages() -> tuple[Page, ...]:
    """The README, the example's README, the contributing page and everything in docs/, sorted."""
    others = (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        ROOT / "example_project" / "README.md",
    )
    return tuple(read_page(path) for path in (*others, *sorted(DOCS.rglob("*.md"))))


def broken_links(pages: tuple[Page, ...]) -> tuple[str, ...]:
    """Links that lead nowhere: a missing file, or a heading that the page does not have. The network is not asked."""
    by_path = {page.path: page for page in pages}
    found = []
    for page in pages:
        for number, target in page.links():
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            path = (page.path.parent / file).resolve() if file else page.path
            if file and not path.exists():
                found.append(f"{page.name}:{number}: {target}: there is no such file")
            elif anchor and path in by_path and anchor not in by_path[path].anchors():
                found.append(f"{page.name}:{number}: {target}: the page has no such heading")
    return tuple(found)
