"""Which runs a configuration asks for: date ranges, cut into chunks, times static values. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from dbt_af_k8s.dbt.command import END_VAR, START_VAR
from dbt_af_k8s.names import short_hash
from dbt_af_k8s.plan.one_time.values import Asked, OneTimeRun
from dbt_af_k8s.schedule.chunks import cut_range
from dbt_af_k8s.schedule.values import Interval

#: Most runs of one configuration.
MOST_RUNS = 10_000
#: Longest readable part of a run id; Airflow takes 250 characters in all.
_LONGEST_PART = 80
#: What Airflow refuses in a run id (`[scheduler] allowed_run_id_pattern`).
_ILLEGAL = re.compile(r"[^A-Za-z0-9_.~:+-]+")
#: Fields of a run's configuration that no dimension can be called.
FIELDS = (START_VAR, END_VAR, "chunk", "models", "vars", "full_refresh", "with_tests", "backfill", "tags")


def count_runs(asked: Asked) -> int:
    """How many runs there are, without making them; counting ends past `MOST_RUNS`."""
    values = 1
    for _, choices in asked.static:
        values *= len(choices)
    chunks = 0 if asked.ranges else 1
    for _ in _chunks(asked):
        chunks += 1
        if chunks * values > MOST_RUNS:
            break
    return chunks * values


def runs_of(asked: Asked, *, name: str, config_version: str | None) -> tuple[OneTimeRun, ...]:
    """Every run, in the order in which they begin: by date, and for each date by the static values as written.

    Run ids follow from the configuration: the same one gives the same ids, so that runs that are there already are
    found again. Another `name`, `config_version`, selection or var gives others.
    """
    chunks: list[Interval | None] = list(_chunks(asked)) or [None]
    if asked.newest_first:
        chunks.reverse()
    names = [dimension for dimension, _ in asked.static]
    values = list(product(*(choices for _, choices in asked.static)))
    runs: list[OneTimeRun] = []
    for chunk in chunks:
        for chosen in values:
            static = tuple(zip(names, chosen, strict=True))
            is_first = asked.full_refresh and not runs
            conf = _conf(asked, chunk, static, is_first=is_first)
            run_id = _run_id(name, chunk, static, {"conf": conf, "version": config_version, "dag": asked.dag_id})
            runs.append(OneTimeRun(run_id, chunk, static, conf, is_alone=is_first))
    return tuple(runs)


def _chunks(asked: Asked) -> Iterator[Interval]:
    for whole in sorted(asked.ranges, key=lambda interval: interval.start):
        yield from cut_range(whole, asked.chunk, asked.timezone)


def _conf(
    asked: Asked, chunk: Interval | None, static: tuple[tuple[str, Any], ...], *, is_first: bool
) -> dict[str, Any]:
    """The configuration of one run, with those fields of the form that say something."""
    conf: dict[str, Any] = {}
    if chunk is not None:
        conf |= {START_VAR: chunk.start.isoformat(), END_VAR: chunk.end.isoformat()}
    if asked.models:
        conf["models"] = " ".join(asked.models)
    variables = {**asked.variables, **dict(static)}
    if variables:
        conf["vars"] = variables
    if is_first:
        conf["full_refresh"] = True
    if asked.with_tests:
        conf["with_tests"] = True
    if asked.tags:
        conf["tags"] = dict(asked.tags)
    return conf | dict(static)


def _run_id(name: str, chunk: Interval | None, static: tuple[tuple[str, Any], ...], whole: Mapping[str, Any]) -> str:
    parts = [f"one_time_{name}"[:_LONGEST_PART]]
    if chunk is not None:
        parts.append(f"{chunk.start:%Y%m%dT%H%M%SZ}")
    if static:
        told = "_".join(f"{dimension}-{value}" for dimension, value in static)
        parts.append(_ILLEGAL.sub("_", told)[:_LONGEST_PART])
    parts.append(short_hash(json.dumps(whole, sort_keys=True, ensure_ascii=False, default=str), 12))
    return "__".join(parts)
