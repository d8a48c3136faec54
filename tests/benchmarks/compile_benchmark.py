"""Compiling the plan, measured by the time of `json.load` of the same manifest, and by the manifest's size."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dag_benchmark import Prepared, _env
from measure import Sample, interleaved, measured

_LOAD = "import json, sys; json.load(open(sys.argv[1], 'rb'))"
_NOTHING = "import json"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What compiling one project cost."""

    #: MB (2**20 bytes) of the manifest and of the compiled plan without its slices.
    manifest: float
    plan: float
    slices: float
    compile: list[Sample]
    load: list[Sample]
    nothing: list[Sample]


def compiling(sizes: Sequence[Prepared], times: int) -> dict[int, Compiled]:
    """Compile each project anew, beside reading its manifest."""
    found = {}
    for project in sizes:
        manifest = project.folder / "target" / "manifest.json"
        runs = {
            "compile": lambda folder=project.folder: measured(
                [sys.executable, "-m", "dbt_af_k8s", "compile", "--project-dir", str(folder)], env=_env()
            ),
            "load": lambda file=manifest: measured([sys.executable, "-c", _LOAD, str(file)]),
            "nothing": lambda: measured([sys.executable, "-c", _NOTHING]),
        }
        samples = interleaved(runs, times)
        plan, slices = _sizes(project.folder / "target" / "dbt_af_k8s" / "plan")
        size = manifest.stat().st_size / 2**20
        found[project.models] = Compiled(size, plan, slices, samples["compile"], samples["load"], samples["nothing"])
    return found


def _sizes(folder: Path) -> tuple[float, float]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    slices = sum(file.stat().st_size for file in files if file.suffix == ".slices")
    return (sum(file.stat().st_size for file in files) - slices) / 2**20, slices / 2**20
