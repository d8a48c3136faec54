"""The form of a backfill as a value, and the form with which the next chunk starts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dbt_af_k8s.config.plain_data import jinja_problems
from dbt_af_k8s.dbt.command import END_VAR, START_VAR
from dbt_af_k8s.dbt.run_options import shown, term_problems
from dbt_af_k8s.errors import FormError, UsageError
from dbt_af_k8s.schedule.chunks import CHUNKS, cut_range
from dbt_af_k8s.schedule.intervals import moment_from_form, range_problem
from dbt_af_k8s.schedule.values import Interval

#: Where the form of a following chunk says which one it is: `{"of": run id, "number": 2, "chunks": 31}`.
CHAIN_FIELD = "backfill"


@dataclass(frozen=True, slots=True)
class Chain:
    """Which chunk a run is: the `number`th (from 1) of `chunks` of the backfill that began with the run `of`."""

    of: str
    number: int
    chunks: int


@dataclass(frozen=True, slots=True)
class BackfillForm:
    """What a person asks a backfill for, or a chunk the next one."""

    #: From the first moment that is still to be done.
    whole: Interval
    chunk: str = "none"
    #: Terms of dbt's selection syntax; empty: the whole domain.
    models: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    full_refresh: bool = False
    with_tests: bool = False
    #: None in the first run.
    chain: Chain | None = None


def read_backfill_form(form: Mapping[str, Any], timezone: str = "UTC") -> BackfillForm:
    """Read the form of a backfill DAG; `timezone` (an IANA name) is the DAG's.

    Raises `FormError` with everything that is wrong with it.
    """
    problems: list[str] = []
    start, end = (_moment(form, name, timezone, problems) for name in (START_VAR, END_VAR))
    if start is not None and end is not None:
        problem = range_problem(start, end, str(form[START_VAR]), str(form[END_VAR]))
        problems += [problem] if problem else []
    chunk = form.get("chunk") or "none"
    if chunk not in CHUNKS:
        problems.append(f"chunk is {shown(chunk)}: it can be {', '.join(CHUNKS)}.")
    models = _terms(form.get("models"), problems)
    variables = _variables(form.get("vars"), problems)
    full_refresh, with_tests = (_flag(form, name, problems) for name in ("full_refresh", "with_tests"))
    for name, value in form.items():
        if name not in (START_VAR, END_VAR):
            problems += jinja_problems(name, value)
    if problems or start is None or end is None:
        raise FormError(problems)
    chain = _chain(form.get(CHAIN_FIELD))
    return BackfillForm(Interval(start, end), str(chunk), models, variables, full_refresh, with_tests, chain)


def this_chain(form: BackfillForm, run_id: str, timezone: str) -> Chain:
    """Which chunk a run is about; a run without a chain is the first of its own."""
    if form.chain is not None:
        return form.chain
    return Chain(run_id, 1, sum(1 for _ in cut_range(form.whole, form.chunk, timezone)))


def next_form(form: BackfillForm, chain: Chain, done: Interval) -> dict[str, Any] | None:
    """The form of the run after the chunk `done`, as plain JSON values; None after the last one.

    Only the first chunk builds anew.
    """
    if done.end >= form.whole.end:
        return None
    return {
        START_VAR: done.end.isoformat(),
        END_VAR: form.whole.end.isoformat(),
        "chunk": form.chunk,
        "models": " ".join(form.models),
        "vars": dict(form.variables),
        "full_refresh": False,
        "with_tests": form.with_tests,
        CHAIN_FIELD: {"of": chain.of, "number": chain.number + 1, "chunks": chain.chunks},
    }


def _moment(form: Mapping[str, Any], name: str, timezone: str, problems: list[str]) -> datetime | None:
    text = str(form.get(name) or "").strip()
    if not text:
        problems.append(f"{name} is empty: a backfill needs a start and an end.")
        return None
    try:
        return moment_from_form(name, text, timezone)
    except UsageError as error:
        problems.append(str(error))
        return None


def _terms(written: object, problems: list[str]) -> tuple[str, ...]:
    if written is None:
        return ()
    if not isinstance(written, str):
        problems.append(f"models is {shown(written)}: it must be a text.")
        return ()
    terms = tuple(written.split())
    problems += [f"models {problem}" for problem in term_problems(terms)]
    return terms


def _variables(written: object, problems: list[str]) -> Mapping[str, Any]:
    if written is None:
        return {}
    if not isinstance(written, Mapping):
        problems.append(f'vars is {shown(written)}: it must be a JSON object, as {{"region": "north"}}.')
        return {}
    problems += [
        f"vars: {name} is the chunk's own and cannot be set." for name in (START_VAR, END_VAR) if name in written
    ]
    return written


def _flag(form: Mapping[str, Any], name: str, problems: list[str]) -> bool:
    value = form.get(name)
    if value not in (None, True, False):
        problems.append(f"{name} is {shown(value)}: it must be true or false.")
    return value is True


def _chain(written: object) -> Chain | None:
    """What the run before wrote; whatever else stands there is no chain, and the run is a first one."""
    if not isinstance(written, Mapping):
        return None
    of, number, chunks = written.get("of"), written.get("number"), written.get("chunks")
    if isinstance(of, str) and of and isinstance(number, int) and isinstance(chunks, int):
        return Chain(of, number, chunks)
    return None
