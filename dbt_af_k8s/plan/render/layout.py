"""Where each box and arrow of a picture lies: layers from left to right, found by igraph.

igraph (extra `graph`) is imported here and nowhere else. It says which layer and which order; sizes, distances and
curves are worked out here from the texts. All lengths are in CSS pixels.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.render.picture import LONGEST, Arrow, Box, Picture

TITLE_SIZE = 15
ROW_SIZE = 12
TITLE_HEIGHT = 40
ROW_HEIGHT = 24
PADDING = 16
#: Between a row's mark and its text, and around the mark.
MARK_GAP = 8
MARK_PADDING = 7
#: Between two boxes of one layer, and room for an arrow that passes between them.
GAP = 26
LANE = 12
#: Between two layers, besides the widest label.
LAYER_GAP = 72
MARGIN = 28

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box with its upper left corner and size."""

    box: Box
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The y of its middle."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class PlacedArrow:
    """An arrow as a curve: it begins at `start`, and each piece is two control points and an end, or an end alone."""

    arrow: Arrow
    start: Point
    pieces: tuple[tuple[Point, ...], ...]
    #: Middle of the label.
    label_at: Point


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with every place known."""

    picture: Picture
    width: float
    height: float
    boxes: tuple[PlacedBox, ...]
    arrows: tuple[PlacedArrow, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    """What takes room in a layer: a box, or a place where an arrow passes through."""

    #: Key of the box, or number of the arrow and of its point.
    key: str | tuple[int, int]
    layer: int
    #: Where igraph wants it in its layer, in steps.
    wanted: float
    height: float


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a text is in a proportional sans-serif font."""
    ems = sum(_em(character) for character in text)
    return ems * size * (1.15 if bold else 1.02)


def _em(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in "iljtfrI.,:;'|!()[] ":
        return 0.34
    return 0.84 if character in "mwMW@" else 0.66 if character.isupper() else 0.57


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, or its two ends where it is too long for a box."""
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def lay_out(picture: Picture) -> Drawing:
    """Place every box and arrow: each group of connected boxes by itself, the largest first, then boxes without arrows.

    Raises `UsageError` where igraph is not installed.
    """
    sizes = {box.key: _size(box) for box in picture.boxes}
    blocks = [_block(boxes, arrows, sizes) for boxes, arrows in _connected(picture)]
    shifted = list(_packed(blocks))
    lowest = max((y + block.height for block, _, y in shifted), default=MARGIN - GAP)
    right = max((x + block.width for block, x, _ in shifted), default=MARGIN)
    joined = {end for arrow in picture.arrows for end in (arrow.source, arrow.target)}
    lone = _rows([box for box in picture.boxes if box.key not in joined], sizes, lowest + GAP, max(right, 900.0))
    order = {box.key: number for number, box in enumerate(picture.boxes)}
    boxes = [box for block, x, y in shifted for box in block.boxes_at(x, y)]
    arrows = [arrow for block, x, y in shifted for arrow in block.arrows_at(x, y)]
    everything = [*sorted(boxes, key=lambda box: order[box.box.key]), *lone]
    return Drawing(
        picture,
        width=max((box.x + box.width for box in everything), default=0.0) + MARGIN,
        height=max([box.y + box.height for box in everything] + [lowest], default=0.0) + MARGIN,
        boxes=tuple(everything),
        arrows=tuple(arrows),
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """Boxes that arrows connect, laid out from the point (0, 0)."""

    boxes: tuple[PlacedBox, ...]
    arrows: tuple[PlacedArrow, ...]
    width: float
    height: float

    def boxes_at(self, x: float, y: float) -> Iterator[PlacedBox]:
        """The boxes, moved."""
        for box in self.boxes:
            yield replace(box, x=box.x + x, y=box.y + y)

    def arrows_at(self, x: float, y: float) -> Iterator[PlacedArrow]:
        """The arrows, moved."""
        for each in self.arrows:
            pieces = tuple(tuple((px + x, py + y) for px, py in piece) for piece in each.pieces)
            start, label = each.start, each.label_at
            yield PlacedArrow(each.arrow, (start[0] + x, start[1] + y), pieces, (label[0] + x, label[1] + y))


def _connected(picture: Picture) -> list[tuple[list[Box], list[Arrow]]]:
    """Boxes that arrows connect, whatever way they point, with these arrows: the largest group first.

    igraph's layout by layers crashes on some graphs of many components, so it is given one at a time.
    """
    group = {box.key: box.key for box in picture.boxes}

    def head(key: str) -> str:
        while group[key] != key:
            group[key] = key = group[group[key]]
        return key

    for arrow in picture.arrows:
        group[head(arrow.source)] = head(arrow.target)
    groups: dict[str, tuple[list[Box], list[Arrow]]] = {}
    for box in picture.boxes:
        groups.setdefault(head(box.key), ([], []))[0].append(box)
    for arrow in picture.arrows:
        groups[head(arrow.source)][1].append(arrow)
    return sorted((each for each in groups.values() if each[1]), key=lambda each: -len(each[0]))


def _block(boxes: Sequence[Box], arrows: Sequence[Arrow], sizes: Mapping[str, tuple[float, float]]) -> _Block:
    """Lay out connected boxes."""
    items, routes = _ordered(boxes, arrows, sizes)
    middles = _middles(items)
    columns = _columns(items, sizes, arrows)
    layer_of = {item.key: item.layer for item in items}
    placed = {box.key: _place(box, sizes, columns[layer_of[box.key]], middles[box.key]) for box in boxes}
    curves = _arrows(arrows, routes, placed, columns, middles)
    lowest = max(each.y + each.height for each in placed.values())
    lowest = max([lowest, *(middle + LANE for middle in middles.values())])
    right = max(left + width for left, width in columns.values())
    return _Block(tuple(placed.values()), tuple(curves), right, lowest)


def _packed(blocks: Sequence[_Block]) -> Iterator[tuple[_Block, float, float]]:
    """The blocks in rows, about as wide as high, each with the point where it begins."""
    area = sum((block.width + GAP) * (block.height + GAP) for block in blocks)
    widest = max([block.width for block in blocks] + [sqrt(2 * area)], default=0.0)
    x, y, tallest = float(MARGIN), float(MARGIN), 0.0
    for block in blocks:
        if x > MARGIN and x - MARGIN + block.width > widest:
            x, y, tallest = float(MARGIN), y + tallest + GAP, 0.0
        yield block, x, y
        x, tallest = x + block.width + LAYER_GAP, max(tallest, block.height)


def _size(box: Box) -> tuple[float, float]:
    """Width and height of a box around its texts."""
    rows = [
        text_width(row.mark, ROW_SIZE, bold=True)
        + 2 * MARK_PADDING
        + (MARK_GAP + text_width(shortened(row.text), ROW_SIZE) if row.text else 0)
        for row in box.rows
    ]
    width = max([text_width(shortened(box.title), TITLE_SIZE, bold=True), *rows]) + 2 * PADDING + 4
    return round(max(width, 120.0)), TITLE_HEIGHT + ROW_HEIGHT * len(box.rows) + (8 if box.rows else 0)


def _ordered(
    boxes: Sequence[Box], arrows: Sequence[Arrow], sizes: Mapping[str, tuple[float, float]]
) -> tuple[list[_Item], list[list[int]]]:
    """The items of every layer as igraph orders them, boxes first and in their own order, and each arrow's layers."""
    try:
        import igraph
    except ImportError:
        raise UsageError(
            "Pictures as SVG and HTML need igraph: install it with `pip install 'dbt-af-k8s[graph]'`, "
            "or take `--format mermaid`, which needs nothing."
        ) from None
    index = {box.key: position for position, box in enumerate(boxes)}
    graph = igraph.Graph(
        n=len(boxes), edges=[(index[arrow.source], index[arrow.target]) for arrow in arrows], directed=True
    )
    layout = graph.layout_sugiyama(hgap=1, vgap=1, maxiter=200)
    items = [
        _Item(box.key, round(place[1]), place[0], sizes[box.key][1]) for box, place in zip(boxes, layout, strict=True)
    ]
    routes: list[list[int]] = []
    for number, points in enumerate(layout.edge_routing):
        items += [_Item((number, round(layer)), round(layer), x, LANE) for x, layer in points]
        routes.append([round(layer) for _, layer in points])
    return items, routes


def _middles(items: Sequence[_Item]) -> dict[str | tuple[int, int], float]:
    """The y of each item: as near as can be to where it is wanted, with nothing upon another in its layer."""
    layers: dict[int, list[_Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: (item.layer, item.wanted)):
        layers[item.layer].append(item)
    # igraph counts in steps. A step is as small as the fullest layer allows.
    fullest = max((_offsets(layer)[-1] for layer in layers.values()), default=0.0)
    steps = max((item.wanted for item in items), default=0.0) - min((item.wanted for item in items), default=0.0)
    boxes = [item.height for item in items if isinstance(item.key, str)]
    pitch = min(fullest / steps if steps else 0.0, max(boxes, default=0.0) + GAP)
    middles: dict[str | tuple[int, int], float] = {}
    for layer in layers.values():
        middles |= dict(zip((item.key for item in layer), _spread(layer, pitch), strict=True))
    top = min((middles[item.key] - item.height / 2 for item in items), default=0.0)
    return {key: middle - top for key, middle in middles.items()}


def _offsets(layer: Sequence[_Item]) -> list[float]:
    """The middles of a layer's items, counted from the first, when they stand as close as may be."""
    offsets = [0.0]
    for above, below in pairwise(layer):
        passing = not isinstance(above.key, str) and not isinstance(below.key, str)
        offsets.append(offsets[-1] + (above.height + below.height) / 2 + (0 if passing else GAP))
    return offsets


def _spread(layer: Sequence[_Item], pitch: float) -> list[float]:
    """Pool adjacent violators: the least squares answer that keeps the order and the distances."""
    offsets = _offsets(layer)
    blocks: list[tuple[float, int]] = []
    for item, offset in zip(layer, offsets, strict=True):
        mean, count = item.wanted * pitch - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, number = blocks.pop()
            mean, count = (before * number + mean * count) / (number + count), number + count
        blocks.append((mean, count))
    shifts = [mean for mean, count in blocks for _ in range(count)]
    return [shift + offset for shift, offset in zip(shifts, offsets, strict=True)]


def _columns(
    items: Sequence[_Item], sizes: Mapping[str, tuple[float, float]], arrows: Sequence[Arrow]
) -> dict[int, tuple[float, float]]:
    """Left edge and width of each layer."""
    widest: dict[int, float] = defaultdict(float)
    for item in items:
        widest[item.layer] = max(widest[item.layer], sizes[item.key][0] if isinstance(item.key, str) else 0.0)
    labels = max((text_width(arrow.label, ROW_SIZE, bold=True) for arrow in arrows), default=0.0)
    columns, left = {}, 0.0
    for layer in sorted(widest):
        columns[layer] = (left, widest[layer])
        left += widest[layer] + LAYER_GAP + labels
    return columns


def _place(box: Box, sizes: Mapping[str, tuple[float, float]], column: tuple[float, float], middle: float) -> PlacedBox:
    width, height = sizes[box.key]
    return PlacedBox(box, column[0] + (column[1] - width) / 2, middle - height / 2, width, height)


def _rows(boxes: Iterable[Box], sizes: Mapping[str, tuple[float, float]], top: float, right: float) -> list[PlacedBox]:
    """Boxes without an arrow: in rows under the others."""
    placed: list[PlacedBox] = []
    x, y, tallest = float(MARGIN), top, 0.0
    for box in boxes:
        width, height = sizes[box.key]
        if x > MARGIN and x + width > right:
            x, y, tallest = float(MARGIN), y + tallest + GAP, 0.0
        placed.append(PlacedBox(box, x, y, width, height))
        x, tallest = x + width + GAP, max(tallest, height)
    return placed


def _arrows(
    arrows: Sequence[Arrow],
    routes: Sequence[Sequence[int]],
    boxes: Mapping[str, PlacedBox],
    columns: Mapping[int, tuple[float, float]],
    middles: Mapping[str | tuple[int, int], float],
) -> list[PlacedArrow]:
    """Every arrow as a smooth curve from one box's side through its lanes to the other box's side."""
    lanes = [[(columns[layer], middles[(number, layer)]) for layer in route] for number, route in enumerate(routes)]
    forward = [boxes[arrow.source].x <= boxes[arrow.target].x for arrow in arrows]
    leaving: dict[tuple[str, bool], list[tuple[float, int, int]]] = defaultdict(list)
    for number, arrow in enumerate(arrows):
        source, target, passing = boxes[arrow.source], boxes[arrow.target], [y for _, y in lanes[number]]
        # Which side of which box: True is the right one.
        leaving[(arrow.source, forward[number])].append((passing[0] if passing else target.middle, number, 0))
        leaving[(arrow.target, not forward[number])].append((passing[-1] if passing else source.middle, number, 1))
    ports: dict[tuple[int, int], Point] = {}
    for (key, right), ends in leaving.items():
        box = boxes[key]
        for position, (_, number, end) in enumerate(sorted(ends), start=1):
            y = box.y + box.height * position / (len(ends) + 1)
            ports[(number, end)] = (box.x + box.width if right else box.x, y)
    return [
        _curve(arrow, ports[(number, 0)], ports[(number, 1)], lanes[number], forward[number])
        for number, arrow in enumerate(arrows)
    ]


def _curve(
    arrow: Arrow, start: Point, end: Point, lanes: Sequence[tuple[tuple[float, float], float]], forward: bool
) -> PlacedArrow:
    pieces: list[tuple[Point, ...]] = []
    at = start
    for (left, width), y in lanes:
        near, far = (left, left + width) if forward else (left + width, left)
        pieces += [_bend(at, (near, y)), ((far, y),)]
        at = (far, y)
    pieces.append(_bend(at, end))
    return PlacedArrow(arrow, start, tuple(pieces), ((at[0] + end[0]) / 2, (at[1] + end[1]) / 2))


def _bend(start: Point, end: Point) -> tuple[Point, Point, Point]:
    half = (start[0] + end[0]) / 2
    return ((half, start[1]), (half, end[1]), end)
