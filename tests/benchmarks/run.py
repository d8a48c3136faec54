"""All benchmarks, one after the other, and the page that tells what came out: `make bench`.

    python tests/benchmarks/run.py [--quick]

The figures go to `figures.json` beside this file, the table and the plot to docs/explanation. `--quick` measures small
projects only, without peers, and writes nothing: it shows that everything works.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import dag_benchmark as dags
import dbt_benchmark as starts
from compile_benchmark import compiling
from environments import COSMOS, DMP_AF, environment
from figures import machine, parse_figures
from measure import median
from page import FIGURES, write_page

_SIZES = (100, 1_000, 5_000, 10_000)
_PEER_SIZES = (100, 1_000, 5_000)
#: cosmos with a DAG per domain takes minutes above.
_PER_DOMAIN = 1_000
_STARTS = (100, 5_000)
_QUICK = (100, 500)
_TIMES = 5
_TIMES_SLOW = 3


def main(*, quick: bool) -> None:
    """Measure, and write what came out."""
    sizes = _QUICK if quick else _SIZES
    tell(f"projects of {', '.join(f'{size:,}' for size in sizes)} models")
    base = dags.base_project()
    prepared = [dags.prepare(base, size) for size in sizes]
    tell("the DAG file: all DAGs")
    found: dict[str, Any] = {"parse": parse_figures(dags.parsing(prepared, _TIMES))}
    tell("the DAG file: one DAG, as on a worker")
    found["worker"] = {
        str(models): {
            "cpu": round(median(runs, lambda run: run.told["build"]), 4),
            "process": round(median(runs), 3),
            "peak": round(median(runs, lambda run: run.peak), 1),
            "tasks": runs[0].told["tasks"],
        }
        for models, runs in dags.one_dag(prepared, _TIMES).items()
    }
    tell("compile")
    found["compile"] = {
        str(models): {
            "cpu": round(median(done.compile), 2),
            "load": round(median(done.load) - median(done.nothing), 3),
            "peak": round(median(done.compile, lambda run: run.peak), 1),
            "manifest": round(done.manifest, 2),
            "plan": round(done.plan, 2),
            "slices": round(done.slices, 2),
        }
        for models, done in compiling(prepared, _TIMES_SLOW).items()
    }
    tell("starting dbt (plain dbt parses first: minutes)")
    real = [starts.prepare_real(size) for size in (_QUICK if quick else _STARTS)]
    found["start"] = {
        str(models): {
            name: {"cpu": round(median(runs), 2), "peak": round(median(runs, lambda run: run.peak), 1)}
            for name, runs in by_name.items()
        }
        for models, by_name in starts.starting(real, _TIMES_SLOW, plain_up_to=max(_STARTS)).items()
    }
    if quick:
        print(json.dumps(found, indent=2))
        return
    tell("the peers (each gets an environment of its own first)")
    peers = parse_figures(dags.parsing_of_peers([p for p in prepared if p.models in _PEER_SIZES], 1, _PER_DOMAIN))
    for models, by_name in peers.items():
        found["parse"][models] |= by_name
    found["about"] = machine({peer.name: environment(peer).version for peer in (COSMOS, DMP_AF)})
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    for file in write_page():
        tell(f"wrote {file.relative_to(Path.cwd())}" if file.is_relative_to(Path.cwd()) else f"wrote {file}")


def tell(what: str) -> None:
    """Say what is being done."""
    print(f"» {what}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what parsing, compiling and starting dbt cost.")
    parser.add_argument("--quick", action="store_true", help="small projects, no peers, writes nothing")
    main(quick=parser.parse_args().quick)
