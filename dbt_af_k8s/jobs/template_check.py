"""What can be said of a template before it is rendered: whether it and all that it names are there and can be read."""

from collections.abc import Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes

from dbt_af_k8s.config.wording import listed, quoted
from dbt_af_k8s.errors import Issue, ProjectError, error, warning
from dbt_af_k8s.jobs.sidecars import injection_advice
from dbt_af_k8s.jobs.template import FindTemplate, is_template_name, plain


def template_issues(name: str, find: FindTemplate, *, searched: tuple[str, ...], node: str) -> Iterator[Issue]:
    """Everything that is wrong with a template, and with those that it extends, includes or imports by a fixed name.

    `node` is the unique_id of the node whose job it makes. One that is not found is a warning: workers may have folders
    that this machine has not.
    """
    waiting, seen = [(name, "")], {name}
    while waiting:
        wanted, wanted_by = waiting.pop(0)
        try:
            found = find(wanted) if is_template_name(wanted) else None
        except ProjectError as unreadable:
            yield from unreadable.issues
            continue
        if found is None:
            by = f", which {quoted(wanted_by)} names," if wanted_by else ""
            message = f"The template {quoted(wanted)}{by} is not found here in {listed(searched)}."
            fix = "Correct the name, or see that the workers have it in one of these folders."
            yield warning("job-template-missing", message, fix, file=wanted_by or None, node=node)
            continue
        try:
            tree = Environment(autoescape=True).parse(found.text)
        except TemplateSyntaxError as broken:
            message = f"The Jinja is broken: {plain(broken.message)} (line {broken.lineno})."
            yield error("job-template", message, "Correct that line.", file=found.file, node=node)
            continue
        yield from injection_advice(found.text, file=found.file, node=node)
        for other in _named(tree):
            if other not in seen:
                seen.add(other)
                waiting.append((other, found.file))


def _named(tree: nodes.Template) -> Iterator[str]:
    """Names that stand in the template as they are; `ignore missing` means it."""
    for part in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        is_optional = isinstance(part, nodes.Include) and part.ignore_missing
        name: nodes.Node = part.template  # type: ignore[attr-defined]
        if isinstance(name, nodes.Const) and isinstance(name.value, str) and not is_optional:
            yield name.value
