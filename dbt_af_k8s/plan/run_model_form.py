"""The form of the DAG that runs any selection, as a value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from dbt_af_k8s.config.plain_data import jinja_problems
from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.dbt.command import END_VAR, START_VAR
from dbt_af_k8s.dbt.run_options import read_run_options, shown, term_problems
from dbt_af_k8s.dbt.values import FreeSelection
from dbt_af_k8s.errors import FormError


@dataclass(frozen=True, slots=True)
class RunModelForm:
    """What a person asks for besides the data interval."""

    selection: FreeSelection
    #: None: the target of the plan.
    target: str | None = None


def read_run_model_form(form: Mapping[str, Any], profile: Profile, problems: tuple[str, ...] = ()) -> RunModelForm:
    """Read the form; `profile` knows the targets, and `problems` are those already found (in the interval).

    Raises `FormError` with everything that is wrong with it.
    """
    found = list(problems)
    models = form.get("models") or ""
    if not isinstance(models, str):
        found.append(f"models is {shown(models)}: it must be a text.")
        models = ""
    terms = tuple(models.split())
    found += [f"models {problem}" for problem in term_problems(terms)]
    extra = form.get("extra")
    if extra is not None and not isinstance(extra, Mapping):
        found.append(f'extra is {shown(extra)}: it must be a JSON object, as {{"threads": 2}}.')
    options = read_run_options(extra if isinstance(extra, Mapping) else {})
    found += options.problems
    found += [
        f"extra: `vars` cannot set {name}; fill in the field of that name."
        for name in (START_VAR, END_VAR)
        if name in (options.variables or {})
    ]
    if not terms and not options.has_selector and isinstance(form.get("models") or "", str):
        found.append("models is empty: name what is to run, for example `orders` or `tag:nightly`.")
    full_refresh = form.get("full_refresh")
    if full_refresh not in (None, True, False):
        found.append(f"full_refresh is {shown(full_refresh)}: it must be true or false.")
    target = _target(form.get("target"), profile, found)
    for name, value in form.items():
        if name not in (START_VAR, END_VAR):
            found += jinja_problems(name, value)
    if found:
        raise FormError(found)
    selection = FreeSelection(terms, options.exclude, full_refresh is True, options.variables or {}, options.options)
    return RunModelForm(selection, target)


def _target(written: object, profile: Profile, problems: list[str]) -> str | None:
    if written is None or written == "":
        return None
    if not isinstance(written, str) or written.startswith("-") or not written.isprintable():
        problems.append(f"target is {shown(written)}: it must be the name of a target.")
        return None
    if profile.found and written not in profile.target_types:
        known = sorted(profile.target_types)
        close = get_close_matches(written, known, 1)
        fix = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(f'`{name}`' for name in known)}."
        problems.append(f"target: profile `{profile.name}` has no target `{written}`; {fix}")
    return written
