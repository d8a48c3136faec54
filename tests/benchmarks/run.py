"""All benchmarks, one after the other, and the page that tells what came out: `make bench`.

    python tests/benchmarks/run.py [--quick] [--only PART ...]

The figures go to `figures.json` beside this file, the tables and the plot to docs/explanation. `--only` measures some
parts again and keeps the figures of the others. `--quick` measures small projects only, without the peers, and writes
nothing: it shows that everything works.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dag_benchmark as dags
import dbt_benchmark as starts
from compile_benchmark import compiling
from environments import COSMOS, DMP_AF, environment
from figures import machine, parse_figures
from measure import median
from page import FIGURES, write_page

_TIMES, _TIMES_SLOW = 5, 3


@dataclass(frozen=True)
class Sizes:
    """Numbers of models."""

    parse: tuple[int, ...] = (100, 1_000, 5_000, 10_000)
    peers: tuple[int, ...] = (100, 1_000, 5_000)
    #: cosmos with a DAG per domain takes an hour and many gigabytes above.
    per_domain: int = 5_000
    start: tuple[starts.Size, ...] = (starts.Size(100, 100), starts.Size(100, 5_000), starts.Size(5_000, 5_000))

    @cached_property
    def prepared(self) -> list[dags.Prepared]:
        """The projects, written and compiled."""
        base = dags.base_project()
        return [dags.prepare(base, size) for size in self.parse]


def parse_dags(sizes: Sizes) -> dict[str, Any]:
    """All DAGs of the DAG file, by this library and by hand."""
    return parse_figures(dags.parsing(sizes.prepared, _TIMES))


def parse_by_peers(sizes: Sizes) -> dict[str, Any]:
    """The same by the peers."""
    return parse_figures(
        dags.parsing_of_peers([p for p in sizes.prepared if p.models in sizes.peers], 1, sizes.per_domain)
    )


def parse_one(sizes: Sizes) -> dict[str, Any]:
    """One DAG, as on a worker."""
    return {
        str(models): {
            "cpu": round(median(runs, lambda run: run.told["build"]), 4),
            "process": round(median(runs), 3),
            "peak": round(median(runs, lambda run: run.peak), 1),
            "tasks": runs[0].told["tasks"],
        }
        for models, runs in dags.one_dag(sizes.prepared, _TIMES).items()
    }


def compile_plans(sizes: Sizes) -> dict[str, Any]:
    """The compiled plan and the slices."""
    return {
        str(models): {
            "cpu": round(median(done.compile), 2),
            "load": round(median(done.load) - median(done.nothing), 3),
            "peak": round(median(done.compile, lambda run: run.peak), 1),
            "manifest": round(done.manifest, 2),
            "plan": round(done.plan, 2),
            "slices": round(done.slices, 2),
        }
        for models, done in compiling(sizes.prepared, _TIMES_SLOW).items()
    }


def start_dbt(sizes: Sizes) -> dict[str, Any]:
    """One run of one model; plain dbt parses the project first, which takes minutes."""
    real = [starts.prepare_real(size) for size in sizes.start]
    return {
        str(size): {
            name: {"cpu": round(median(runs), 2), "peak": round(median(runs, lambda run: run.peak), 1)}
            for name, runs in by_name.items()
        }
        for size, by_name in starts.starting(real, _TIMES_SLOW).items()
    }


PARTS: Mapping[str, Callable[[Sizes], dict[str, Any]]] = {
    "parse": parse_dags,
    "peers": parse_by_peers,
    "worker": parse_one,
    "compile": compile_plans,
    "start": start_dbt,
}


def main(only: Sequence[str], *, quick: bool) -> None:
    """Measure, and write what came out."""
    sizes = Sizes(parse=(100, 500), start=(starts.Size(100, 100), starts.Size(200, 200))) if quick else Sizes()
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() and not quick else {}
    for name in only or [name for name in PARTS if not (quick and name == "peers")]:
        tell(f"{name}: {(PARTS[name].__doc__ or '').strip()}")
        found[name] = PARTS[name](sizes)
        if not quick:
            found["about"] = machine({peer.name: environment(peer).version for peer in (COSMOS, DMP_AF)})
            FIGURES.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    if quick:
        print(json.dumps(found, indent=1))
        return
    for file in write_page():
        tell(f"wrote {file.relative_to(Path(__file__).resolve().parents[2])}")
    tell("Look at docs/explanation/speed.md.")


def tell(what: str) -> None:
    """Say what is being done."""
    print(f"» {what}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what parsing, compiling and starting dbt cost.")
    parser.add_argument("--quick", action="store_true", help="small projects, no peers, writes nothing")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], help="measure only these parts again")
    given = parser.parse_args()
    main(given.only, quick=given.quick)
