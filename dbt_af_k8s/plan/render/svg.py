"""A picture as one SVG file: no script, no font, no link; light and dark after the reader's own choice."""

import re
from collections.abc import Iterator
from html import escape

from dbt_af_k8s.plan.render.layout import (
    MARGIN,
    MARK_GAP,
    MARK_PADDING,
    PADDING,
    ROW_HEIGHT,
    ROW_SIZE,
    TITLE_HEIGHT,
    TITLE_SIZE,
    Drawing,
    PlacedArrow,
    PlacedBox,
    Point,
    shortened,
    text_width,
)
from dbt_af_k8s.plan.render.picture import ARROW_MEANINGS

#: Control characters and halves of pairs: no XML can hold them (XML 1.0, production 2).
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HEADING = 74
_LEGEND = 56
_FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
#: Name of a colour -> its value on a light and on a dark ground. Texts keep a contrast of 4.5 to 1 or more.
_COLOURS = {
    "ground": ("#f6f7f9", "#0e1116"),
    "card": ("#ffffff", "#171b22"),
    "line": ("#d5dae1", "#333a45"),
    "ink": ("#1a2029", "#eceff4"),
    "soft": ("#566070", "#a2acbb"),
    "chip": ("#eef1f5", "#232933"),
    "last": ("#4b6584", "#8fa8c6"),
    "all": ("#b4540a", "#f0a35e"),
    "both": ("#8250df", "#c297ff"),
    "none": ("#6c7686", "#8b95a5"),
    "edge": ("#7b8696", "#7f8a9b"),
    "scheduled": ("#1f6feb", "#58a6ff"),
    "manual": ("#6c7686", "#8b95a5"),
    "broken": ("#c4232d", "#ff7b72"),
    "run": ("#1f6feb", "#58a6ff"),
    "seed": ("#3f7d20", "#7ee08a"),
    "snapshot": ("#8250df", "#c297ff"),
    "test": ("#0f766e", "#4fd1c5"),
    "build": ("#1f6feb", "#58a6ff"),
    "wait": ("#b4540a", "#f0a35e"),
    "freshness": ("#0f766e", "#4fd1c5"),
    "maintenance": ("#6c7686", "#8b95a5"),
    "endpoint": ("#6c7686", "#8b95a5"),
    "refresh": ("#8250df", "#c297ff"),
}


def to_svg(drawing: Drawing) -> str:
    """The whole drawing with heading and legend, as a file of its own. Ends in a newline."""
    picture = drawing.picture
    width = max(drawing.width, 560.0, _legend_width(drawing) + 2 * MARGIN)
    height = drawing.height + _HEADING + _LEGEND
    size = f'viewBox="0 0 {_number(width)} {_number(height)}" width="{_number(width)}" height="{_number(height)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title summary">',
        f'<title id="title">{escaped(picture.title)}</title>',
        f'<desc id="summary">{escaped(picture.description)} {escaped(_in_words(drawing))}</desc>',
        f"<style>{stylesheet()}</style>",
        f'<rect class="ground" width="{_number(width)}" height="{_number(height)}"/>',
        f'<text class="heading" x="{MARGIN}" y="42">{escaped(picture.title)}</text>',
        f'<text class="summary" x="{MARGIN}" y="64">{escaped(picture.description)}</text>',
        f'<g transform="translate({_number(max(0.0, (width - drawing.width) / 2))} {_HEADING})">',
        *drawing_lines(drawing),
        "</g>",
        f'<g class="legend" transform="translate({MARGIN} {_number(height - _LEGEND / 2)})">',
        *_legend(drawing),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text as XML and HTML hold it; characters that neither can hold become the replacement character."""
    return escape(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def stylesheet() -> str:
    """Colours and type of the drawing, for both grounds."""
    light = ";".join(f"--{name}:{values[0]}" for name, values in _COLOURS.items())
    dark = ";".join(f"--{name}:{values[1]}" for name, values in _COLOURS.items())
    arrows = "".join(
        f".arrow.{kind} path{{stroke:var(--{kind})}}.arrow.{kind} text,.head.{kind}{{fill:var(--{kind})}}"
        for kind in ARROW_MEANINGS
    )
    accents = "".join(f".{kind} .accent{{fill:var(--{kind})}}" for kind in _COLOURS)
    return (
        f":root{{{light}}}@media (prefers-color-scheme: dark){{:root{{{dark}}}}}"
        f"text{{font-family:{_FONT}}}.ground{{fill:var(--ground)}}"
        ".heading{font-size:21px;font-weight:650;fill:var(--ink);letter-spacing:-.01em}"
        ".summary,.legend text{font-size:13px;fill:var(--soft)}"
        ".card{fill:var(--card);stroke:var(--line)}"
        f".title{{font-size:{TITLE_SIZE}px;font-weight:650;fill:var(--ink)}}"
        ".chip{fill:var(--chip)}"
        f".mark{{font-size:{ROW_SIZE}px;font-weight:600;fill:var(--ink)}}.row{{font-size:{ROW_SIZE}px;fill:var(--soft)}}"
        ".manual .card,.wait .card{stroke-dasharray:5 4}.broken .card{stroke:var(--broken);stroke-width:1.5}"
        ".arrow path{fill:none;stroke-width:1.75}.arrow.all path,.arrow.both path{stroke-width:2.5}"
        ".arrow.none path{stroke-dasharray:5 5}.arrow.edge path{stroke-width:1.25}"
        f".arrow text{{font-size:{ROW_SIZE}px;font-weight:600;text-anchor:middle}}"
        ".pill{fill:var(--ground);stroke:var(--line)}" + arrows + accents
    )


def drawing_lines(drawing: Drawing) -> Iterator[str]:
    """The boxes and arrows alone, as SVG elements."""
    yield "<defs>"
    for kind in ARROW_MEANINGS:
        yield (
            f'<marker id="head-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path class="head {kind}" d="M0 1 L9.5 5 L0 9 z"/></marker>'
        )
    yield "</defs>"
    for arrow in drawing.arrows:
        yield from _arrow(arrow)
    for box in drawing.boxes:
        yield from _box(box)
    for arrow in drawing.arrows:
        yield from _label(arrow)


def _box(placed: PlacedBox) -> Iterator[str]:
    box = placed.box
    yield (
        f'<g class="box {box.kind}" data-key="{escaped(box.key)}" '
        f'transform="translate({_number(placed.x)} {_number(placed.y)})">'
    )
    yield f"<title>{escaped(box.title)}</title>"
    yield f'<rect class="card" width="{_number(placed.width)}" height="{_number(placed.height)}" rx="10"/>'
    yield f'<path class="accent" d="M0 10 a10 10 0 0 1 4 -8 v{_number(placed.height - 4)} a10 10 0 0 1 -4 -8 z"/>'
    yield f'<text class="title" x="{PADDING}" y="{TITLE_HEIGHT - 14}">{escaped(shortened(box.title))}</text>'
    y = TITLE_HEIGHT - 1
    for row in box.rows:
        mark = text_width(row.mark, ROW_SIZE, bold=True)
        wide = _number(mark + 2 * MARK_PADDING)
        yield f'<rect class="chip" x="{PADDING - 2}" y="{y}" width="{wide}" height="18" rx="9"/>'
        yield f'<text class="mark" x="{PADDING - 2 + MARK_PADDING}" y="{y + 13}">{escaped(row.mark)}</text>'
        x = _number(PADDING - 2 + mark + 2 * MARK_PADDING + MARK_GAP)
        yield f'<text class="row" x="{x}" y="{y + 13}">{escaped(shortened(row.text))}</text>'
        y += ROW_HEIGHT
    yield "</g>"


def _arrow(placed: PlacedArrow) -> Iterator[str]:
    arrow = placed.arrow
    yield f'<g class="arrow {arrow.kind}" data-from="{escaped(arrow.source)}" data-to="{escaped(arrow.target)}">'
    steps = [f"M{_point(placed.start)}"]
    steps += [
        f"{'C' if len(piece) == 3 else 'L'}{' '.join(_point(point) for point in piece)}" for piece in placed.pieces
    ]
    yield f'<path d="{" ".join(steps)}" marker-end="url(#head-{arrow.kind})"/></g>'


def _label(placed: PlacedArrow) -> Iterator[str]:
    arrow = placed.arrow
    if arrow.label:
        half = text_width(arrow.label, ROW_SIZE, bold=True) / 2 + 7
        x, y = placed.label_at
        yield f'<g class="arrow {arrow.kind}" data-from="{escaped(arrow.source)}" data-to="{escaped(arrow.target)}">'
        place = f'x="{_number(x - half)}" y="{_number(y - 10)}" width="{_number(2 * half)}" height="20"'
        yield f'<rect class="pill" {place} rx="10"/>'
        yield f'<text x="{_number(x)}" y="{_number(y + 4)}">{escaped(arrow.label)}</text></g>'


def _legend(drawing: Drawing) -> Iterator[str]:
    x = 0.0
    for kind, meaning in drawing.picture.legend:
        if kind in ARROW_MEANINGS:
            yield (f'<g class="arrow {kind}"><path d="M{_number(x)} 0 h32" marker-end="url(#head-{kind})"/></g>')
        else:
            yield f'<g class="{kind}"><rect class="accent" x="{_number(x)}" y="-8" width="5" height="16" rx="2.5"/></g>'
        sample = 40 if kind in ARROW_MEANINGS else 13
        yield f'<text x="{_number(x + sample)}" y="4">{escaped(_legend_text(kind, meaning))}</text>'
        x += sample + text_width(_legend_text(kind, meaning), 13) + 28


def _legend_text(kind: str, meaning: str) -> str:
    return f"{kind}: {meaning}" if kind in ("last", "all") else meaning.replace("`", "")


def _legend_width(drawing: Drawing) -> float:
    return sum(
        (40 if kind in ARROW_MEANINGS else 13) + text_width(_legend_text(kind, meaning), 13) + 28
        for kind, meaning in drawing.picture.legend
    )


def _in_words(drawing: Drawing) -> str:
    """The arrows in words, for those who listen to the picture. Long pictures are cut."""
    titles = {box.box.key: box.box.title for box in drawing.boxes}
    told = [
        f"{titles[each.arrow.target]} {ARROW_MEANINGS[each.arrow.kind]}: {titles[each.arrow.source]}."
        for each in drawing.arrows[:200]
    ]
    return " ".join(told)


def _point(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    """A length with one digit after the point at most, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
