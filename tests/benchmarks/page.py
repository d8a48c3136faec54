"""The tables and the plot of docs/explanation/speed.md, from `figures.json`.

What stands between `<!-- measured: NAME -->` and `<!-- end -->` in the page is written by this; the rest by people.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dag_benchmark import COSMOS_MANY, COSMOS_ONE, DMP, FLOOR, OURS
from dbt_benchmark import IMPORTS, NEW_VARS, SAME_VARS, SLICE, WARM, Size
from figures import exponent
from plot import plot

FIGURES = Path(__file__).with_name("figures.json")
_DOCS = Path(__file__).resolve().parents[2] / "docs"
_PAGE = _DOCS / "explanation" / "speed.md"
_PICTURE = _DOCS / "pictures" / "speed.svg"
_EVERYBODY = (OURS, FLOOR, COSMOS_ONE, COSMOS_MANY, DMP)
_BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_SHORT = """\
- **The DAG file** of {models:,} models: {ours:.1f} CPU seconds, {floor:.2f} times what the same tasks cost when
  they are written by hand. Cosmos takes {one:.1f} times as much in one DAG, and {many_dags:.0f} times with a DAG per
  domain; dmp-af {dmp:.1f} times.
- **A worker's parse** of one DAG: {small:.0f} ms in a project of {few:,} models, {large:.0f} ms in one of {many:,}.
- **dbt's start** for one of {size:,} models: {slice:.1f} CPU seconds, {imports:.2f} times the bare imports; {first:.1f}
  seconds for one of {less:,} in as large a schema. Plain dbt takes {same:.0f} times as much, and {new:.0f} times with
  a new data interval.
- **Compiling** {models:,} models: {compile:.1f} CPU seconds, once after a change; {load:.0f} times `json.load` of the
  manifest."""

Figures = Mapping[str, Any]


def write_page() -> tuple[Path, Path]:
    """Write the measured parts of the page, and the picture; the files written."""
    figures = json.loads(FIGURES.read_text())
    for models, by_name in figures.get("peers", {}).items():
        figures["parse"][models] |= by_name
    _PAGE.write_text(with_figures(_PAGE.read_text(), figures))
    _PICTURE.write_text(picture(figures))
    return _PAGE, _PICTURE


def with_figures(text: str, figures: Figures) -> str:
    """The page's text with each measured part made anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_PARTS[found[2]](figures)}\n{found[3]}", text)


def picture(figures: Figures) -> str:
    """CPU seconds of parsing the DAG file over models, as SVG."""
    lines = {
        name: {int(models): by_name[name]["total"] for models, by_name in _by_size(figures["parse"]) if name in by_name}
        for name in _EVERYBODY
    }
    title = "Parsing the DAG file: all DAGs built and serialized"
    return plot(
        title, "models (each with two tests)", "CPU seconds", {name: line for name, line in lines.items() if line}
    )


def _by_size(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(found.items(), key=lambda it: int(it[0]))


def _about(figures: Figures) -> str:
    about = figures["about"]
    versions = ", ".join(f"{name} {found}" for name, found in about["versions"].items())
    return f"Measured on {about['date']} ({about['machine']}, Python {about['python']}): {versions}."


def _short(figures: Figures) -> str:
    """The page in four sentences, about the largest project that all were measured with."""
    models, parsed = _by_size({size: found for size, found in figures["parse"].items() if COSMOS_MANY in found})[-1]
    ours, floor = parsed[OURS]["total"], parsed[FLOOR]["total"]
    (few, small), *_, (many, large) = _by_size(figures["worker"])
    *_, (less, first), (size, starts) = _starts(figures)
    from_slice = starts[SLICE]["cpu"]
    compiled = figures["compile"][models]
    return _SHORT.format(
        models=int(models),
        ours=ours,
        floor=ours / floor,
        one=parsed[COSMOS_ONE]["total"] / ours,
        many_dags=parsed[COSMOS_MANY]["total"] / ours,
        dmp=parsed[DMP]["total"] / ours,
        few=int(few),
        small=small["cpu"] * 1000,
        many=int(many),
        large=large["cpu"] * 1000,
        size=size.models,
        slice=from_slice,
        imports=from_slice / starts[IMPORTS]["cpu"],
        less=less.models,
        first=first[SLICE]["cpu"],
        same=starts[SAME_VARS]["cpu"] / from_slice,
        new=starts[NEW_VARS]["cpu"] / from_slice,
        compile=compiled["cpu"],
        load=compiled["cpu"] / compiled["load"],
    )


def _parse(figures: Figures) -> str:
    rows = [
        "| models | who | DAGs | tasks | build | serialize | together | beside ours | peak MB |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for models, by_name in _by_size(figures["parse"]):
        ours = by_name[OURS]["total"]
        rows += [
            f"| {int(models):,} | {name} | {found['dags']:,} | {found['tasks']:,} | {found['build']:.2f} s "
            f"| {found['serialize']:.2f} s | {found['total']:.2f} s | {found['total'] / ours:.2f} x "
            f"| {found['peak']:.0f} |"
            for name in _EVERYBODY
            if (found := by_name.get(name)) is not None
        ]
    return "\n".join(rows)


def _growth(figures: Figures) -> str:
    found = []
    for name in _EVERYBODY:
        costs = {int(size): by_name[name]["total"] for size, by_name in _by_size(figures["parse"]) if name in by_name}
        if len(costs) > 1:
            first, last = sorted(costs)[-2:]
            found.append(f"| {name} | {first:,} to {last:,} | N^{exponent(costs):.2f} |")
    return "\n".join(["| who | models | growth |", "|---|---|---|", *found])


def _worker(figures: Figures) -> str:
    rows = [
        f"| {int(models):,} | {found['tasks']} | {found['cpu'] * 1000:.0f} ms | {found['peak']:.0f} |"
        for models, found in _by_size(figures["worker"])
    ]
    return "\n".join(["| models | tasks of the DAG | CPU time | peak MB |", "|--:|--:|--:|--:|", *rows])


def _start(figures: Figures) -> str:
    rows = ["| models | tables | how | CPU time | beside the slice | peak MB |", "|--:|--:|---|--:|--:|--:|"]
    for size, by_name in _starts(figures):
        slice_ = by_name[SLICE]["cpu"]
        rows += [
            f"| {size.models:,} | {size.tables:,} | {name} | {found['cpu']:.2f} s | {found['cpu'] / slice_:.2f} x "
            f"| {found['peak']:.0f} |"
            for name in (IMPORTS, SLICE, WARM, SAME_VARS, NEW_VARS)
            if (found := by_name.get(name)) is not None
        ]
    return "\n".join(rows)


def _starts(figures: Figures) -> list[tuple[Size, Any]]:
    return sorted((Size(*map(int, size.split("/"))), found) for size, found in figures["start"].items())


def _compile(figures: Figures) -> str:
    rows = [
        "| models | manifest | compile | beside `json.load` | peak | plan | slices |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    rows += [
        f"| {int(models):,} | {found['manifest']:.1f} MB | {found['cpu']:.1f} s | {found['cpu'] / found['load']:.0f} x "
        f"| {found['peak']:.0f} MB | {found['plan']:.2f} MB | {found['slices']:.1f} MB |"
        for models, found in _by_size(figures["compile"])
    ]
    return "\n".join(rows)


_PARTS: Mapping[str, Callable[[Figures], str]] = {
    "about": _about,
    "short": _short,
    "parse": _parse,
    "growth": _growth,
    "worker": _worker,
    "start": _start,
    "compile": _compile,
}
