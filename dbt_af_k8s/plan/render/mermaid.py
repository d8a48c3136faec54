"""A picture as Mermaid text, for Markdown pages and pull requests."""

from collections.abc import Iterator
from itertools import groupby

from dbt_af_k8s.plan.render.picture import Arrow, Box, Picture

#: Kind of box -> opening and closing brackets of its shape in Mermaid.
_SHAPES = {"wait": ("([", "])"), "manual": ("[/", "/]"), "test": ("{{", "}}"), "endpoint": ("((", "))")}
_ARROWS = {"edge": "-->", "last": "-->", "all": "==>", "both": "==>", "none": "-.->"}
_CLASSES = {
    "broken": "stroke:#d1242f,stroke-width:2px",
    "manual": "stroke-dasharray:4 3",
    "wait": "stroke-dasharray:4 3",
}


def to_mermaid(picture: Picture) -> str:
    """A Mermaid flowchart; the tasks of one DAG stand in one frame. Ends in a newline."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    ids = {box.key: f"n{position}" for position, box in enumerate(picture.boxes)}
    yield f"%% {_one_line(picture.title)}: {_one_line(picture.description)}"
    yield "flowchart LR"
    for position, (cluster, boxes) in enumerate(groupby(picture.boxes, key=lambda box: box.cluster)):
        if cluster:
            yield f'  subgraph c{position}["{_escaped(cluster)}"]'
        indent = "    " if cluster else "  "
        for box in boxes:
            yield indent + _box(ids[box.key], box)
        if cluster:
            yield "  end"
    for arrow in picture.arrows:
        yield "  " + _arrow(ids, arrow)
    used = {box.kind for box in picture.boxes}
    for kind, style in _CLASSES.items():
        if kind in used:
            yield f"  classDef {kind} {style}"


def _box(node_id: str, box: Box) -> str:
    opening, closing = _SHAPES.get(box.kind, ("[", "]"))
    rows = [] if box.cluster else [f"{row.mark} {row.text}".strip() for row in box.rows]
    text = "<br/>".join(_escaped(part) for part in (box.title, *rows))
    style = f":::{box.kind}" if box.kind in _CLASSES else ""
    return f'{node_id}{opening}"{text}"{closing}{style}'


def _arrow(ids: dict[str, str], arrow: Arrow) -> str:
    label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
    return f"{ids[arrow.source]} {_ARROWS[arrow.kind]}{label} {ids[arrow.target]}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Text that Mermaid shows as it is: its own marks become entity codes."""
    marks = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "*": "#42;"}
    return "".join(marks.get(character, character) for character in _one_line(text))
