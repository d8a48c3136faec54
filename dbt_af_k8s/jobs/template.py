"""A job template becomes text: Jinja in a sandbox, with blocks, `extends` and includes.

Files are read by whoever calls. Every fault is told with file and line.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
    nodes,
)
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.config.wording import closest, listed, quoted
from dbt_af_k8s.errors import Issue, ProjectError, error
from dbt_af_k8s.k8s.names import safe_dns_label

#: A backslash with what it escapes; in its group a letter beyond U+FFFF, as JSON writes it.
_ESCAPE = re.compile(r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\.")
#: Longest piece of somebody else's message that ours repeats, in characters.
_LONGEST = 300
#: Most characters or items that `*` may come to, and the largest numbers of `**`.
_LONGEST_PRODUCT = 1_000_000
_LARGEST_BASE, _LARGEST_POWER = 2**64, 64

#: Looks for a template by its name (`jobs/export.yaml`) in the search paths, in their order; None: in none of them.
FindTemplate = Callable[[str], TemplateText | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a template can use besides its variables: filters and global names, such as those of an Airflow DAG."""

    filters: Mapping[str, Callable[..., Any]]
    names: Mapping[str, Any]


NOTHING_BESIDES = Surroundings({}, {})


def is_template_name(name: str) -> bool:
    """Whether a name stays within a search path: a relative path, without `..`, backslashes and zero bytes."""
    parts = name.split("/")
    return bool(name) and not any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)


def template_place(template: str, search_paths: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The name of a template, and the folders to look for it: those given, then the project itself (`.`).

    Of a full path, its own folder comes first.
    """
    folders = (*search_paths, ".")
    if not template.startswith("/"):
        return template, folders
    folder, _, name = template.rpartition("/")
    return name, (folder or "/", *folders)


def render_template(
    name: str,
    find: FindTemplate,
    variables: Mapping[str, Any],
    surroundings: Surroundings = NOTHING_BESIDES,
    *,
    searched: tuple[str, ...] = (),
) -> TemplateText:
    """Render a template; the result has the path of its file.

    `searched` names the search paths, for messages. A name that nothing defines is an error, not an empty text; every
    such name of the file is told at once. Raises `ProjectError`.
    """
    loader = _Loader(find)
    sandbox = _Sandbox(loader=loader, undefined=StrictUndefined, autoescape=False)
    sandbox.filters.update(surroundings.filters)
    sandbox.filters["dns_label"] = safe_dns_label
    sandbox.policies["json.dumps_function"] = json_and_yaml
    sandbox.globals.update(surroundings.names)
    try:
        template = sandbox.get_template(name)
        return TemplateText(template.render(variables), loader.found[name].file)
    except Exception as failed:
        fault = _Fault(failed, name, loader.found, searched)
        known = {**sandbox.globals, **variables}
        raise ProjectError(list(fault.issues(sandbox, known))) from failed


def json_and_yaml(value: Any, **options: Any) -> str:
    """`tojson` as JSON and YAML both read it: a letter beyond U+FFFF stands as it is.

    JSON writes it as two escapes, of which YAML makes two letters that do not exist.
    """
    return _ESCAPE.sub(lambda found: _letter(found[1]) or found[0], json.dumps(value, **options))


def _letter(pair: str | None) -> str | None:
    return None if pair is None else str(json.loads(f'"{pair}"'))


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, where a slip in a product does not fill the memory of a worker."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply what a template needs, and nothing huge."""
        are_numbers = all(isinstance(side, int | float) for side in (left, right))
        if operator == "**":
            is_small = not are_numbers or (abs(left) <= _LARGEST_BASE and abs(right) <= _LARGEST_POWER)
        else:
            is_small = are_numbers or abs(_size(left) * _size(right)) <= _LONGEST_PRODUCT
        if not is_small:
            raise SecurityError(f"`{operator}` to something huge")
        return super().call_binop(context, operator, left, right)


def _size(side: Any) -> float:
    """How long a product gets by this side of it."""
    if isinstance(side, int | float):
        return side
    return len(side) if hasattr(side, "__len__") else 1


class _Loader(BaseLoader):
    """Jinja's way to other templates; remembers what was found, by name."""

    def __init__(self, find: FindTemplate) -> None:
        self._find = find
        self.found: dict[str, TemplateText] = {}

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        if not is_template_name(template):
            raise TemplateNotFound(template, f"The name {quoted(template)} leads out of the search paths")
        found = self._find(template)
        if found is None:
            raise TemplateNotFound(template)
        self.found[template] = found
        return found.text, found.file, None


class _Fault:
    """What a template failed with, where."""

    def __init__(
        self, failed: Exception, name: str, found: Mapping[str, TemplateText], searched: tuple[str, ...]
    ) -> None:
        self.failed = failed
        self.name = name
        self.searched = searched
        self.texts = {each.file: each.text for each in found.values()}
        self.main = found[name].file if name in found else name
        self.file, self.line = self._place()

    def issues(self, sandbox: Environment, known: Mapping[str, Any]) -> Iterator[Issue]:
        match self.failed:
            case ProjectError() as told:
                yield from told.issues
            case TemplateSyntaxError() as broken:
                yield self._issue(f"The Jinja is broken: {plain(broken.message)}", "Correct that line.")
            case TemplateNotFound() as missing:
                yield self._not_found(missing)
            case UndefinedError() as undefined:
                yield from self._undefined(undefined, sandbox, known)
            case SecurityError() as unsafe:
                message = f"The template does what its sandbox forbids: {plain(unsafe.message)}"
                fix = "Compute it in the DAG, and hand it over in `template_fields`."
                yield self._issue(message, fix)
            case TemplateError() as other:
                yield self._issue(f"The Jinja fails: {plain(other.message)}", "Correct that line.")
            case other:
                yield self._issue(f"The Jinja fails: {type(other).__name__}: {plain(str(other))}", "Correct that line.")

    def _issue(self, message: str, fix: str, line: int | None = None) -> Issue:
        line = line or self.line
        where = f" (line {line})" if line else ""
        return error("job-template", f"{message}{where}.", fix, file=self.file)

    def _place(self) -> tuple[str, int | None]:
        """The template and line nearest to what failed: Jinja puts them into the traceback."""
        if isinstance(self.failed, TemplateSyntaxError):
            return self.failed.filename or self.main, self.failed.lineno
        place: tuple[str, int | None] = (self.main, None)
        step: TracebackType | None = self.failed.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename in self.texts:
                place = step.tb_frame.f_code.co_filename, step.tb_lineno
            step = step.tb_next
        return place

    def _not_found(self, missing: TemplateNotFound) -> Issue:
        wanted = str(missing.name or "")
        where = f" in {listed(self.searched)}" if self.searched else ""
        if not is_template_name(wanted):
            message = plain(missing.message)
            return self._issue(message, "Write a path below a search path, such as `jobs/export.yaml`.")
        message = f"There is no template {quoted(wanted)}{where}"
        return self._issue(message, "Correct the name, or add the folder to the search paths.")

    def _undefined(self, undefined: UndefinedError, sandbox: Environment, known: Mapping[str, Any]) -> Iterator[Issue]:
        others = list(_unknown_names(self.texts.get(self.file, ""), sandbox, known))
        message = plain(undefined.message)
        if not any(f"'{name}' is undefined" == message for name, _ in others):
            yield self._issue(f"The template uses what is not there: {message}", "Correct the name, or use `default`.")
        for name, line in others:
            close = closest(name, known)
            guess = f"Did you mean `{close}`? " if close else ""
            fix = f"{guess}Give it in `template_fields`, or write `{name} | default(...)`."
            yield self._issue(f"Nothing is called {quoted(name)} here", fix, line)


def _unknown_names(text: str, sandbox: Environment, known: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Names that a template reads and nobody defines, each with its first line; not those that it tests for."""
    tree = sandbox.parse(text)
    tested = {
        part.node.name
        for part in tree.find_all((nodes.Filter, nodes.Test))
        if isinstance(part.node, nodes.Name) and part.name in ("default", "d", "defined", "undefined")
    }
    unknown = find_undeclared_variables(tree) - known.keys() - tested
    lines: MutableMapping[str, int] = {}
    for used in tree.find_all(nodes.Name):
        if used.name in unknown:
            lines[used.name] = min(used.lineno, lines.get(used.name, used.lineno))
    yield from sorted(lines.items(), key=lambda each: (each[1], each[0]))


def plain(message: str | None) -> str:
    """Somebody else's message on one line, without its last dot."""
    text = " ".join((message or "it cannot be read").split())
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST].rstrip(".")
