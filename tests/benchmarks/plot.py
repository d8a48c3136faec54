"""A plot of costs over sizes as SVG: both axes logarithmic, each line with its name at its end."""

import math
from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT = 800, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 232, 44, 56
#: Told apart also by those who see few colours (Okabe and Ito).
_COLOURS = ("#0072b2", "#000000", "#d55e00", "#cc79a7", "#009e73", "#e69f00")
#: Least distance of two names, in pixels.
_LINE = 16


def plot(title: str, x_title: str, y_title: str, lines: Mapping[str, Mapping[int, float]]) -> str:
    """The picture; `lines` are names with cost by size, the most important one first."""
    sizes = sorted({size for line in lines.values() for size in line})
    costs = [cost for line in lines.values() for cost in line.values()]
    low, high = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))

    def x(size: float) -> float:
        share = math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(cost: float) -> float:
        return _HEIGHT - _BOTTOM - (math.log10(cost) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13"><title>{title}</title>'
        ),
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="16" font-weight="600" fill="#1b1f24">{title}</text>',
    ]
    for power in range(low, high + 1):
        at, name = y(10.0**power), f"{10.0**power:g}"
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="#57606a">{name}</text>')
    for size in sizes:
        parts.append(
            f'<text x="{x(size):.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle" fill="#57606a">{size:,}</text>'
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle" fill="#57606a">{x_title}</text>')
    parts.append(
        f'<text x="16" y="{_HEIGHT / 2}" transform="rotate(-90 16 {_HEIGHT / 2})" text-anchor="middle" '
        f'fill="#57606a">{y_title}</text>'
    )
    ends = _apart([(name, y(line[max(line)])) for name, line in lines.items()])
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{x(size):.1f},{y(cost):.1f}" for size, cost in sorted(line.items()))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(size):.1f}" cy="{y(cost):.1f}" r="3" fill="{colour}"/>' for size, cost in line.items()
        ]
        last = max(line)
        parts.append(
            f'<line x1="{x(last) + 4:.1f}" y1="{y(line[last]):.1f}" x2="{_WIDTH - _RIGHT + 8}" y2="{ends[name]:.1f}" '
            f'stroke="{colour}" stroke-opacity="0.4"/>'
        )
        parts.append(f'<text x="{_WIDTH - _RIGHT + 12}" y="{ends[name] + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _apart(ends: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Heights of the names, moved down where two would touch."""
    found: dict[str, float] = {}
    free = 0.0
    for name, height in sorted(ends, key=lambda end: end[1]):
        found[name] = max(height, free)
        free = found[name] + _LINE
    return found
