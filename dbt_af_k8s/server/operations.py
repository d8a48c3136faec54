"""What `run-operation` may call: our own maintenance macros with typed arguments, and macros that the settings name.

dbt calls any macro by its name, `run_query` and `run_hooks` too, so a free choice of macros would be a free choice of
SQL. The SQL of a TTL comes from the project: a client may send what the node's own `maintenance` says, and no other.
Pure but for `installed_problem` and `root_macro`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.problems import findings
from dbt_af_k8s.config.read import read_dbt_project
from dbt_af_k8s.dbt.maintenance import MOST_DAYS
from dbt_af_k8s.dbt.maintenance_package import is_package_current
from dbt_af_k8s.dbt.run_options import shown
from dbt_af_k8s.errors import ProjectError, UsageError
from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.names import DBT_PACKAGE
from dbt_af_k8s.server.option_kinds import data_in

VERB = "run-operation"
_MACRO = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)
#: Arguments that are SQL.
_PREDICATES = ("additional_predicate", "force_predicate")


def _moment(text: str) -> str:
    try:
        known = datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        known = False
    if not known:
        reason, fix = "must be an ISO 8601 time with its offset", "Write the end of the data interval."
        raise PydanticCustomError("moment", "{reason}", {"reason": reason, "fix": fix})
    return text


_Node = Annotated[str, StringConstraints(pattern=r"^(model|seed|snapshot)\.[\w.]+$", max_length=300)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
_Column = Annotated[str, StringConstraints(min_length=1, max_length=300)]
_Columns = _Column | Annotated[list[_Column], Field(min_length=1, max_length=100)]


class OfNode(BaseModel):
    """Arguments of `optimize`, `vacuum` and `persist_docs`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: _Node


class OfTtl(OfNode):
    """Arguments of `ttl`."""

    as_of: Annotated[_Text, AfterValidator(_moment)]
    key: _Column | None = None
    expiration_timeout: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None
    additional_predicate: _Text | None = None
    force_predicate: _Text | None = None


class OfDeduplicate(OfNode):
    """Arguments of `deduplicate`."""

    unique_key: _Columns
    order_by: _Columns | None = None


#: Our macros, each with its arguments. Columns are looked up by the macros among those that the table has.
_ARGUMENTS: Mapping[str, type[OfNode]] = MappingProxyType(
    {"deduplicate": OfDeduplicate, "optimize": OfNode, "persist_docs": OfNode, "ttl": OfTtl, "vacuum": OfNode}
)


def is_macro_name(name: str) -> bool:
    """Whether this can be the plain name of a macro."""
    return _MACRO.fullmatch(name) is not None


def is_maintenance(macro: str) -> bool:
    """Whether this names one of our macros."""
    package, dot, name = macro.rpartition(".")
    return bool(dot) and package == DBT_PACKAGE and name in _ARGUMENTS


def macro_problems(macro: str, args: str, allowed: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with a macro and its `--args`, as far as text alone tells; `allowed` are macros of the project."""
    if macro in allowed and is_macro_name(macro):
        return
    if not is_maintenance(macro):
        known = (*(f"{DBT_PACKAGE}.{name}" for name in _ARGUMENTS), *allowed)
        yield (
            f"run-operation may not call {shown(macro)} here; it may call {', '.join(known)}. "
            "Macros of the project are allowed by the server's settings, `projects.<name>.macros`."
        )
        return
    given, problems = data_in("--args", args)
    kind = _ARGUMENTS[macro.rpartition(".")[2]]
    try:
        # What is wrong with the text itself is said where `--args` is looked at.
        _ = problems or kind.model_validate(dict(given))
    except ValidationError as failed:
        yield from (f"{macro}: {it.message} {it.fix}" for it in findings(failed, kind))


def predicate_problems(args: str, manifest: Manifest) -> tuple[str, ...]:
    """Whether the SQL in the arguments of `ttl` is what the node's own `maintenance` says."""
    given, _ = data_in("--args", args)
    node = manifest.nodes.get(str(given.get("model")))
    if node is None:
        return (f"The project has no node {shown(given.get('model'))}.",)
    known = set(_predicates(node.meta, node.config))
    return tuple(
        f"`{name}` is SQL, and not what the `maintenance` of {node.unique_id} says in the server's copy of the project."
        for name in _PREDICATES
        if isinstance(sql := given.get(name), str) and sql.strip() not in known
    )


def has_predicates(args: str) -> bool:
    """Whether the arguments hold SQL."""
    return any(data_in("--args", args)[0].get(name) is not None for name in _PREDICATES)


def installed_problem(project_dir: Path) -> str | None:
    """Why our macros may not be called in a project: its copy of our package is another version, or was changed."""
    try:
        if is_package_current(project_dir):
            return None
    except UsageError as reason:
        return str(reason)
    return (
        f"The server's copy of the project has not the dbt package {DBT_PACKAGE} of the server's version: run "
        "`dbt-af-k8s package install` in it."
    )


def root_macro(macro: str, project_dir: Path) -> str:
    """The macro by its whole name, so that dbt takes that of the root project or none. Raises `UsageError`."""
    if "." in macro:
        return macro
    try:
        name = read_dbt_project(project_dir).name
    except ProjectError as failed:
        raise UsageError(" ".join(issue.message for issue in failed.issues)) from None
    if not name:
        raise UsageError("dbt_project.yml has no name that can be read.")
    return f"{name}.{macro}"


def _predicates(meta: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Every predicate of a node's `maintenance`, wherever node settings may stand."""
    ours = meta.get("dbt_af_k8s")
    for settings in (ours, meta, config):
        maintenance = settings.get("maintenance") if isinstance(settings, Mapping) else None
        ttl = maintenance.get("ttl") if isinstance(maintenance, Mapping) else None
        if isinstance(ttl, Mapping):
            yield from (sql.strip() for name in _PREDICATES if isinstance(sql := ttl.get(name), str))
