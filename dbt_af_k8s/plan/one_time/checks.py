"""What is wrong with the configuration of a one-time job beyond the types of its keys. Pure."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

from dbt_af_k8s.config.calendar_words import timezone_issue
from dbt_af_k8s.config.plain_data import jinja_places
from dbt_af_k8s.config.problems import Finding, dotted
from dbt_af_k8s.config.wording import listed, quoted, shown
from dbt_af_k8s.dbt.command import END_VAR, START_VAR
from dbt_af_k8s.dbt.run_options import term_problems
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.k8s.check import check_object
from dbt_af_k8s.k8s.quantities import parse_quantity, strange_amount
from dbt_af_k8s.plan.one_time.resolve import amounts, asked_for, range_of
from dbt_af_k8s.plan.one_time.runs import FIELDS, MOST_RUNS, count_runs
from dbt_af_k8s.plan.one_time.written import OneTimeWritten
from dbt_af_k8s.pods.env import read_env
from dbt_af_k8s.schedule.values import Interval

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_NAME = 63
_LONGEST_TEXT = 4000

Path = tuple[str | int, ...]


def asked_findings(written: OneTimeWritten, broken: Collection[Path]) -> Iterator[Finding]:
    """Problems of what is to be run. `broken` are the paths about which something is told already."""
    yield from _dag(written, broken)
    zone = timezone_issue(written.timezone, file="", key="timezone")
    if zone is not None:
        yield Finding(("timezone",), "wrong", zone.message, zone.fix)
    yield from _static(written)
    for key in (START_VAR, END_VAR):
        if key in written.vars:
            yield Finding(("vars", key), "wrong", f"`{key}` is the run's own and cannot be set.", "Remove it.")
    yield from _plain(written.vars, ("vars",))
    yield from _jinja(written)
    for problem in term_problems(written.models):
        yield Finding(("models",), "wrong", f"`models` {problem}", "Write terms of dbt's selection syntax.")
    yield from _dates(written, has_zone=zone is None)


def _dag(written: OneTimeWritten, broken: Collection[Path]) -> Iterator[Finding]:
    if written.domain and written.dag:
        yield Finding(("dag",), "wrong", "Both `domain` and `dag` are given.", "Keep one of them.")
    elif not written.domain and not written.dag and not _is_in("domain", broken) and not _is_in("dag", broken):
        message = "Neither `domain` nor `dag` is given."
        yield Finding(("domain",), "missing", message, "Name the domain to backfill, or the id of another DAG.")
    if written.domain and not written.partitions.dates and not _is_in("partitions", broken):
        message = "`partitions.dates` is missing: a backfill DAG needs a start and an end."
        yield Finding(("partitions", "dates"), "missing", message, "Write `dates: {from: 2026-01-05, to: 2026-01-12}`.")
    elif not written.partitions.dates and not written.partitions.static and not _is_in("partitions", broken):
        message = "`partitions` is empty, so there is nothing to run."
        yield Finding(("partitions",), "missing", message, "Give `dates`, `static` or both.")


def _is_in(key: str, broken: Collection[Path]) -> bool:
    return any(path[:1] == (key,) for path in broken)


def _static(written: OneTimeWritten) -> Iterator[Finding]:
    for dimension, values in written.partitions.static.items():
        path = ("partitions", "static", dimension)
        if dimension in FIELDS:
            fix = f"Call it something else than {listed(FIELDS)}."
            yield Finding(path, "wrong", f"A dimension cannot be called `{dimension}`: each run has such a field.", fix)
        if dimension in written.vars:
            yield Finding(path, "wrong", f"`{dimension}` stands in `vars`, too.", "Remove it from `vars`.")
        told = [json.dumps(value) for value in values]
        twice = sorted({value for value in told if told.count(value) > 1})
        if twice:
            message = f"`{dimension}` has {', '.join(twice)} more than once, which would be the same run."
            yield Finding(path, "wrong", message, "Write each value once.")


def _dates(written: OneTimeWritten, *, has_zone: bool) -> Iterator[Finding]:
    ranges: list[tuple[Interval, int]] = []
    for number, each in enumerate(written.partitions.dates):
        path = ("partitions", "dates", number)
        try:
            whole = range_of(each, written.timezone if has_zone else "UTC")
        except UsageError as reason:
            told = str(reason).partition(". Write")[0].removesuffix(".")
            yield Finding(path, "wrong", f"{told}.", "Write ISO 8601, as `{from: 2026-01-05, to: 2026-01-12}`.")
            continue
        if whole.end <= whole.start:
            message = f"The range ends ({each.end}) before it begins ({each.start}), or is empty."
            yield Finding(path, "wrong", message, "`to` is not part of the range: one day is `from` it `to` the next.")
        else:
            ranges.append((whole, number))
    for (one, _), (other, number) in pairwise(sorted(ranges, key=lambda pair: (pair[0].start, pair[1]))):
        if other.start < one.end:
            message = f"The range from {other.start.isoformat()} begins before the one before it has ended."
            yield Finding(("partitions", "dates", number), "wrong", message, "Write ranges that do not overlap.")
    are_right = has_zone and len(ranges) == len(written.partitions.dates)
    if are_right and count_runs(asked_for(written)) > MOST_RUNS:
        message = f"That is more than {MOST_RUNS} runs."
        yield Finding(("partitions",), "wrong", message, "Use a larger `chunk`, or several configurations.")


def _plain(value: Any, path: Path) -> Iterator[Finding]:
    """Whether it can be written as JSON; its depth is that of the YAML file, which is limited."""
    try:
        json.dumps(value, allow_nan=False, default=str)
    except (TypeError, ValueError):
        message = f"`{path[0]}` holds {shown(value)} that JSON cannot: keys that are no text, or no number."
        yield Finding(path, "wrong", message, "Put keys in quotes, and write `.nan` and `.inf` as text.")
        return
    if isinstance(value, Mapping):
        for key, below in value.items():
            if not isinstance(key, str):
                message = f"A key of `{path[0]}` must be text, found {shown(key)}."
                yield Finding((*path, str(key)), "wrong", message, "Put it in quotes.")
            yield from _plain_below(below, (*path, str(key)))


def _plain_below(value: Any, path: Path) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        yield from _plain(value, path)


def _jinja(written: OneTimeWritten) -> Iterator[Finding]:
    """What a run gets is data: dbt would run Jinja in a var when a model reads it."""
    given = {
        ("vars",): written.vars,
        ("partitions", "static"): written.partitions.static,
        ("models",): written.models,
        ("tags",): written.tags,
    }
    for path, value in given.items():
        for below, mark in jinja_places(value):
            message = f"`{dotted((*path, *below))}` holds Jinja (`{mark}`), and a run takes plain text alone."
            yield Finding((*path, *below), "wrong", message, "Write plain text.")


def job_findings(written: OneTimeWritten) -> Iterator[Finding]:
    """Problems of the image and the Kubernetes Job."""
    yield from _image(written)
    name, suffix = written.name or "", written.suffix or ""
    if name and suffix and len(name) + len(suffix) >= _LONGEST_NAME:
        message = f"`name` and `suffix` have {len(name) + len(suffix) + 1} characters together."
        yield Finding(("suffix",), "wrong", message, f"A Job's name has at most {_LONGEST_NAME}.")
    if sum(word.count("{config}") for word in written.command) > 1:
        yield Finding(("command",), "wrong", "`command` names `{config}` more than once.", "Name it once.")
    job = written.job
    yield from read_env(job.env, ("job", "env"))[1]
    for number, source in enumerate(job.env_from):
        yield from check_object(source, "EnvFromSource", ("job", "env_from", number))
    for number, toleration in enumerate(job.tolerations):
        yield from check_object(toleration, "Toleration", ("job", "tolerations", number))
    yield from _resources(written)
    for key, value in written.tags.items():
        if len(value) > _LONGEST_TEXT:
            yield Finding(("tags", key), "wrong", f"The tag is longer than {_LONGEST_TEXT} characters.", "Shorten it.")


def _image(written: OneTimeWritten) -> Iterator[Finding]:
    image, version = written.image, written.version
    name, at, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if at or tag:
        fix = f"Write `image: {name.removesuffix(f':{tag}')}` and `version: {tag or digest}`."
        yield Finding(("image",), "wrong", f"`image` names its version, too: {quoted(image)}.", fix)
    if version is not None and not _TAG.fullmatch(version) and not _DIGEST.fullmatch(version):
        message = f"`version` must be a tag or a digest, found {shown(version)}."
        fix = "A tag has at most 128 letters, digits, `_`, `.` and `-`; a digest is `sha256:` and 64 hex digits."
        yield Finding(("version",), "wrong", message, fix)


def _resources(written: OneTimeWritten) -> Iterator[Finding]:
    requests, limits = amounts(written.job)
    for key, given in (("requests", written.job.requests), ("limits", written.job.limits)):
        for resource, amount in given.items():
            strange = strange_amount(resource, amount)
            if strange is not None:
                told, fix = strange
                yield Finding(("job", key, resource), "wrong", f"`{resource}: {amount}` {told}.", fix)
    for resource, amount in requests.items():
        least, most = parse_quantity(amount), parse_quantity(limits.get(resource, ""))
        if least is not None and most is not None and least > most:
            message = f"`job.requests.{resource}` ({amount}) is more than the limit ({limits[resource]})."
            yield Finding(("job", "requests", resource), "wrong", message, "Raise the limit, or ask for less.")
