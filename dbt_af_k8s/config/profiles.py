"""One profile out of profiles.yml, read as far as planning needs. Pure: the environment comes in as a mapping.

Of a warehouse only `type` is rendered, so that whoever plans needs no password. Targets that are no warehouse are
rendered whole, for pods are planned from them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.config.jinja_text import (
    SecretInPlanError,
    TextError,
    UnsetVariableError,
    render_text,
    unset_variables,
)
from dbt_af_k8s.config.problems import dotted
from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.config.wording import choose_from, closest, listed, quoted, shown
from dbt_af_k8s.errors import Issue, error, warning

#: Types of targets that are no dbt adapter.
PYTHON_TARGET_TYPES = ("kubernetes", "kubernetes_job", "venv")
#: The target that dbt takes where a profile names none.
_DBT_DEFAULT = "default"
#: The one key of profiles.yml that is no profile.
_NO_PROFILE = "config"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is the same for all parts of one profile."""

    name: str
    file: str
    env: Mapping[str, str]
    issues: list[Issue]

    def tell(self, *, is_error: bool, code: str, message: str, fix: str, path: tuple[str | int, ...]) -> None:
        make = error if is_error else warning
        self.issues.append(make(code, message, fix, file=self.file, key=dotted((self.name, *path))))


def parse_profile(
    profiles: Mapping[Any, Any], name: str, *, file: str, env: Mapping[str, str], target: str | None = None
) -> tuple[Profile, tuple[Issue, ...]]:
    """Read the profile `name` of a profiles.yml that is already YAML.

    `target` is the one asked for, by --target or `targets.default`: it must be there, and is judged more strictly.
    What cannot be used is left out of the `Profile` (of which nothing is `found` where there is no profile at all, so
    that not every target is an error as well); the issues say what and why. Values of environment variables are
    in no message, and secrets (`DBT_ENV_SECRET_...`) not in the `Profile` either.
    """
    reading = _Reading(name, file, env, [])
    if name not in profiles or name == _NO_PROFILE:
        known = sorted(str(key) for key in profiles if key != _NO_PROFILE)
        fix = f"{choose_from(name, known)} Add the profile, or correct `profile` in dbt_project.yml."
        issue = error("unknown-profile", f"There is no profile {quoted(name)}.", fix, file=file, key="profile")
        return Profile(name, None, found=False), (issue,)
    raw = profiles[name]
    if not isinstance(raw, Mapping):
        _wrong(reading, (), f"A profile must be a mapping, found {shown(raw)}.")
        return Profile(name, None, found=False), tuple(reading.issues)
    outputs = raw.get("outputs")
    if not isinstance(outputs, Mapping) or not outputs:
        told = "is empty" if isinstance(outputs, Mapping) else f"must be a mapping of targets, found {shown(outputs)}"
        _wrong(reading, ("outputs",), f"`outputs` {told}.")
        return Profile(name, None, found=False), tuple(reading.issues)
    default = _default_target(raw, outputs, reading, is_needed=target is None)
    selected = target if target is not None else default
    if target is not None and target not in outputs:
        message = f"The target {quoted(target)}, asked for by --target or `targets.default`, is not in the profile."
        fix = choose_from(target, [str(key) for key in outputs])
        reading.tell(is_error=True, code="unknown-target", message=message, fix=fix, path=("outputs",))
    types: dict[str, str] = {}
    broken: list[str] = []
    python_targets: dict[str, Mapping[str, Any]] = {}
    unset: dict[str, tuple[str, ...]] = {}
    for key, output in outputs.items():
        found_type = _type_of(str(key), output, reading, is_selected=key == selected)
        if found_type is None:
            broken.append(str(key))
            continue
        types[str(key)] = found_type
        if found_type in PYTHON_TARGET_TYPES:
            python_targets[str(key)] = _rendered_whole(str(key), output, reading, is_selected=key == selected)
        else:
            names = _look_at_warehouse(str(key), output, reading, is_selected=key == selected)
            unset.update({str(key): names} if names else {})
    profile = Profile(name, default, types, python_targets, file, broken_targets=tuple(broken), unset_variables=unset)
    return profile, tuple(reading.issues)


def _wrong(reading: _Reading, path: tuple[str | int, ...], message: str) -> None:
    fix = "Write `outputs:` with one mapping per target, each with a `type`."
    reading.tell(is_error=True, code="bad-profile", message=message, fix=fix, path=path)


def _default_target(
    raw: Mapping[Any, Any], outputs: Mapping[Any, Any], reading: _Reading, *, is_needed: bool
) -> str | None:
    """The profile's `target`, rendered; where it names none, dbt's `default` if there is such an output."""
    written = raw.get("target")
    if written is None:
        if _DBT_DEFAULT in outputs:
            return _DBT_DEFAULT
        message = "The profile has no `target`, and no output is called `default`."
        fix = f"Set `target` to one of {listed(str(key) for key in outputs)}."
        if is_needed:
            reading.tell(is_error=False, code="profile-without-target", message=message, fix=fix, path=("target",))
        return None
    try:
        default = render_text(written, reading.env) if isinstance(written, str) else written
    except TextError as failed:
        message = f"`target` cannot be read: {failed}."
        reading.tell(is_error=is_needed, code=_code(failed), message=message, fix=_fix(failed), path=("target",))
        return None
    if not isinstance(default, str) or default not in outputs:
        # What an environment variable holds is not repeated.
        is_plain = written == default
        told = shown(default) if is_plain else "what its Jinja gives"
        names = [str(key) for key in outputs]
        fix = choose_from(default, names) if is_plain and isinstance(default, str) else f"Known are {listed(names)}."
        message = f"`target` must name one of the outputs, found {told}."
        reading.tell(is_error=is_needed, code="unknown-target", message=message, fix=fix, path=("target",))
        return None
    return default


def _type_of(key: str, output: Any, reading: _Reading, *, is_selected: bool) -> str | None:
    path = ("outputs", key)
    if not isinstance(output, Mapping):
        message = f"The target {quoted(key)} must be a mapping with a `type`, found {shown(output)}."
        fix = "Write its settings below it, `type` first."
        reading.tell(is_error=True, code="bad-profile", message=message, fix=fix, path=path)
        return None
    written = output.get("type")
    try:
        found = render_text(written, reading.env) if isinstance(written, str) else written
    except TextError as failed:
        message = f"`type` of the target {quoted(key)} cannot be read: {failed}."
        reading.tell(is_error=is_selected, code=_code(failed), message=message, fix=_fix(failed), path=(*path, "type"))
        return None
    if isinstance(found, str) and found.strip():
        return found.strip()
    close = closest("type", [str(name) for name in output])
    told = "has no `type`" if written is None else f"has as `type` {shown(written)}"
    guess = f"Is `{close}` meant to be `type`? " if close and close != "type" else ""
    fix = f"{guess}Give it the name of a dbt adapter (`postgres`, `duckdb`, ...), or {listed(PYTHON_TARGET_TYPES)}."
    reading.tell(
        is_error=True, code="bad-profile", message=f"The target {quoted(key)} {told}.", fix=fix, path=(*path, "type")
    )
    return None


def _look_at_warehouse(key: str, output: Mapping[Any, Any], reading: _Reading, *, is_selected: bool) -> tuple[str, ...]:
    """Nothing of it is rendered; but what a task would fail with later is told now, by name, never by value.

    Returns the variables that it needs and that are not set; the plan tells of those of the targets it uses.
    """
    names: dict[str, None] = {}
    for path, text in _texts(output):
        at = ("outputs", key, *path)
        try:
            unset = unset_variables(text, reading.env)
        except TextError as failed:
            if path[-1] == "password":  # dbt takes a password that is no Jinja as it stands
                continue
            message = f"In the target {quoted(key)} a text cannot be read: {failed}."
            reading.tell(is_error=is_selected, code=_code(failed), message=message, fix=_fix(failed), path=at)
            continue
        names.update(dict.fromkeys(unset))
    return tuple(names)


def _rendered_whole(key: str, output: Mapping[Any, Any], reading: _Reading, *, is_selected: bool) -> Mapping[str, Any]:
    """A target that is no warehouse, with all its texts rendered; a text that cannot be stays as it is written."""
    failures: dict[tuple[str | int, ...], TextError] = {}
    rendered = _render(output, (), reading.env, failures)
    for path, failed in failures.items():
        soft = isinstance(failed, UnsetVariableError | SecretInPlanError)
        message = f"In the target {quoted(key)} a text is left as it is written: {failed}."
        reading.tell(
            is_error=is_selected and not soft,
            code=_code(failed),
            message=message,
            fix=_fix(failed),
            path=("outputs", key, *path),
        )
    return {str(name): value for name, value in rendered.items()}


def _render(value: Any, path: tuple[str | int, ...], env: Mapping[str, str], failures: dict[Any, TextError]) -> Any:
    """Render every text below; the depth is that of the YAML file, which is limited."""
    if isinstance(value, Mapping):
        return {name: _render(below, (*path, str(name)), env, failures) for name, below in value.items()}
    if isinstance(value, list):
        return [_render(below, (*path, number), env, failures) for number, below in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return render_text(value, env)
    except TextError as failed:
        failures[path] = failed
        return value


def _texts(output: Mapping[Any, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text of an output with its path, in the file's order, but `type`, which is read already."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [
        ((str(name),), value) for name, value in reversed(list(output.items())) if name != "type"
    ]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, Mapping):
            stack.extend(((*path, str(name)), below) for name, below in reversed(list(value.items())))
        elif isinstance(value, list):
            stack.extend(((*path, number), below) for number, below in reversed(list(enumerate(value))))


def _code(failed: TextError) -> str:
    match failed:
        case UnsetVariableError():
            return "unset-env-var"
        case SecretInPlanError():
            return "secret-in-plan"
    return "bad-jinja"


def _fix(failed: TextError) -> str:
    match failed:
        case UnsetVariableError():
            return "Set the variable, or give `env_var` a default: env_var('NAME', 'default')."
        case SecretInPlanError():
            return "Keep the secret where the task runs, for a pod in a Kubernetes secret."
    return "Correct the Jinja; to write a `{` as it is, use {% raw %}."
