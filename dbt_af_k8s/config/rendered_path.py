"""A path that was a template: whoever wrote it said below which folder it lies, and nothing that was put in leads out.

What fills a template may come from a form or from an id. So a path is looked at after it is rendered.
"""

from posixpath import commonpath, normpath

from dbt_af_k8s.config.plain_data import JINJA_MARKS
from dbt_af_k8s.config.wording import quoted


def rendered_path_problem(name: str, written: str | None, rendered: str | None) -> str | None:
    """Why the argument `name`, `written` as a template, cannot be `rendered`; None where it can.

    It stays below the last folder that stands before the first template, and has no `..` but those that were written.
    A path that begins with a template may lead anywhere, for its author left that open, but not by `..`.
    """
    if written is None or rendered is None or written == rendered:
        return None
    starts = [written.find(mark) for mark in JINJA_MARKS if mark in written]
    if not starts:
        return None
    head, slash, _ = written[: min(starts)].rpartition("/")
    folder = head + slash
    filled = rendered.removeprefix(folder)
    if "\0" in rendered:
        return f"`{name}` is no path after it is rendered: {quoted(rendered)}."
    if not rendered.startswith(folder) or ".." in filled.split("/") or not _is_below(folder, rendered):
        where = f"out of {quoted(folder)}" if folder else "out by `..`"
        return f"`{name}` leads {where} after it is rendered: {quoted(rendered)}."
    return None


def _is_below(folder: str, path: str) -> bool:
    if not folder:
        return True
    base = normpath(folder)
    return commonpath((base, normpath(path))) == base
