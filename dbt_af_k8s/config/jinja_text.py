"""Jinja in profiles.yml and dbt_project.yml, with dbt's own meaning of `env_var` and of its `as_...` filters.

Source: dbt's `dbt.context.secret`, `dbt.config.renderer` and `dbt_common.clients.jinja` (1.11). Sandboxed: a file can
neither change what it is given nor reach Python through it. Values of variables never get into an error.
"""

from ast import literal_eval
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dbt_af_k8s.config.wording import listed, quoted, shown

#: Variables with this prefix hold secrets; dbt never shows their values either.
SECRET_PREFIX = "DBT_ENV_SECRET_"  # noqa: S105 - the name of a prefix, no secret
#: Longest text that is rendered, in characters.
_LONGEST = 20_000
#: Largest whole number that an expression may come to in `*` and `**`, so that nothing fills the memory.
_LARGEST = 10_000
#: What a template can fail with while it is compiled or rendered.
_FAILURES = (
    *(TemplateError, ArithmeticError, AssertionError, AttributeError, LookupError),
    *(MemoryError, RuntimeError, SyntaxError, TypeError, ValueError),
)


class TextError(Exception):
    """A text that cannot be rendered; the message is for the user and holds no value of a variable."""


class UnsetVariableError(TextError):
    """A text needs environment variables that are not set."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the environment variable {quoted(name)} is not set")


class SecretInPlanError(TextError):
    """A text that planning would keep uses a secret."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"it uses the secret {quoted(name)}, and secrets do not go into plans")


class _Text(str):
    """What `as_text` marks: stays text."""

    __slots__ = ()


class _Native(str):
    """What `as_native` marks: becomes the Python value that it spells."""

    __slots__ = ()


class _Bool(_Native):
    """What `as_bool` marks."""

    __slots__ = ()


class _Number(_Native):
    """What `as_number` marks."""

    __slots__ = ()


class _Sandbox(ImmutableSandboxedEnvironment):
    """Native types as dbt has them, and no operator that can fill the memory."""

    code_generator_class = NativeCodeGenerator
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Let numbers be multiplied in sizes that configuration needs, and nothing else."""
        is_small = all(isinstance(side, int | float) and abs(side) <= _LARGEST for side in (left, right))
        if not is_small or (operator == "**" and abs(right) > 16):
            raise TextError(f"it uses `{operator}` on something else than small numbers")
        return super().call_binop(context, operator, left, right)


def _environment() -> _Sandbox:
    sandbox = _Sandbox(undefined=StrictUndefined, autoescape=False)
    sandbox.filters.update(as_text=_Text, as_native=_Native, as_bool=_Bool, as_number=_Number)
    return sandbox


def render_text(text: str, env: Mapping[str, str]) -> Any:
    """What dbt makes of a text of profiles.yml, given the environment; not always a text again.

    Raises `UnsetVariableError` for a variable without value and default, `SecretInPlanError` for one with the prefix
    of secrets, and `TextError` for broken Jinja and for names that dbt's profiles do not have.
    """
    return _guarded(lambda: _rendered(text, env)) if "{" in text else text


def rendered_scalar(value: Any, env: Mapping[str, str]) -> str:
    """A text or number of dbt_project.yml, rendered, as text. Raises `TextError`, see `render_text`."""
    rendered = render_text(value, env) if isinstance(value, str) else value
    if isinstance(rendered, str | int | float) and not isinstance(rendered, bool):
        return str(rendered)
    raise TextError(f"it must be text, found {shown(rendered)}")


def _rendered(text: str, env: Mapping[str, str]) -> Any:
    sandbox = _environment()
    known = {"env_var": _env_var(env), "var": _var}
    strangers = find_undeclared_variables(sandbox.parse(_short(text))) - known.keys()
    if strangers:
        raise TextError(f"its Jinja uses {listed(sorted(strangers))}, which profiles do not have (they have `env_var`)")
    template = sandbox.from_string(text)
    return _joined(template.root_render_func(template.new_context(known)))


def _guarded(work: Callable[[], Any]) -> Any:
    """Run Jinja; whatever it fails with becomes a `TextError` without values, for Python's own words may quote them."""
    try:
        return work()
    except TextError:
        raise
    except TemplateSyntaxError as failed:
        raise TextError(f"its Jinja is broken in line {failed.lineno}: {_plain(failed.message)}") from None
    except _FAILURES as failed:
        raise TextError(f"its Jinja fails ({type(failed).__name__})") from None


def _plain(message: str | None) -> str:
    text = " ".join((message or "it cannot be read").split())
    return "".join(c for c in text if c.isprintable())[:200].rstrip(".")


def _env_var(env: Mapping[str, str]) -> Callable[..., str]:
    def env_var(name: str, default: str | None = None) -> str:
        """Dbt's `env_var`."""
        if name.startswith(SECRET_PREFIX):
            raise SecretInPlanError(name)
        value = env.get(name, default)
        if value is None:
            raise UnsetVariableError(name)
        return value

    return env_var


def _var(name: str, default: Any = None) -> Any:
    """Dbt's `var`, of which profiles only see those of the command line; planning has none."""
    if default is None:
        raise TextError(f"it uses the variable {quoted(str(name))}, which only dbt's command line can give")
    return default


def _joined(pieces: Iterator[Any]) -> Any:
    """Dbt's rule: one expression alone keeps its type and marks, anything else becomes text."""
    first = next(pieces, None)
    if first is None:
        return ""
    second = next(pieces, None)
    if second is not None:
        return "".join(str(piece) for piece in chain((first, second), pieces))
    if isinstance(first, StrictUndefined):
        return str(first)  # raises UndefinedError
    if isinstance(first, _Text):
        return str(first)
    if not isinstance(first, _Native):
        return first
    try:
        value = literal_eval(str(first))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = str(first)
    if isinstance(first, _Bool) and not isinstance(value, bool):
        raise TextError("`as_bool` gets something else than true or false (Python's True, False)")
    if isinstance(first, _Number) and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TextError("`as_number` gets something else than a number")
    return value


def unset_variables(text: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the variables that `env_var` asks for in a text without a default and that are not set, sorted.

    Found without rendering. Raises `TextError` for a text that is no Jinja.
    """
    if "{" not in text:
        return ()
    tree: nodes.Template = _guarded(lambda: _environment().parse(_short(text)))
    names = set()
    for call in tree.find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Name) and call.node.name == "env_var"):
            continue
        given = [*call.args, *(keyword.value for keyword in call.kwargs)]
        if len(given) == 1 and isinstance(given[0], nodes.Const) and isinstance(given[0].value, str):
            names.add(given[0].value)
    return tuple(sorted(name for name in names if name not in env))


def _short(text: str) -> str:
    if len(text) > _LONGEST:
        raise TextError(f"it has {len(text)} characters; at most {_LONGEST} are rendered")
    return text
