"""What was measured, as plain figures: medians, ratios and growth, ready to be written down."""

import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from measure import Sample, median

#: Distributions whose versions stand beside the figures.
_NAMED = ("dbt-af-k8s", "apache-airflow", "dbt-core", "dbt-duckdb")


def machine(peers: Mapping[str, str]) -> dict[str, Any]:
    """Date, machine and versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _NAMED} | dict(peers),
    }


def parse_figures(samples: Mapping[int, Mapping[str, Sequence[Sample]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Size -> who -> CPU seconds of build and serialize, peak MB, DAGs, tasks."""
    return {
        str(models): {
            name: {
                "build": round(median(runs, lambda run: run.told["build"]), 3),
                "serialize": round(median(runs, lambda run: run.told["serialize"]), 3),
                "total": round(median(runs, lambda run: run.told["total"]), 3),
                "peak": round(median(runs, lambda run: run.peak), 1),
                "dags": runs[0].told["dags"],
                "tasks": runs[0].told["tasks"],
            }
            for name, runs in by_name.items()
        }
        for models, by_name in samples.items()
    }


def exponent(costs: Mapping[int, float]) -> float:
    """Growth of a cost: the k of size**k between the two largest sizes."""
    (small, few), (large, many) = sorted(costs.items())[-2:]
    return math.log(many / few) / math.log(large / small)
