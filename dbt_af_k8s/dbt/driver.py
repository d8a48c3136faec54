"""dbt started from a slice of the manifest instead of from the whole project. Runs by itself, beside any dbt 1.11.

A script for the Python of whatever environment dbt lives in, so it imports nothing but the standard library and dbt:

    python driver.py STORE REFUSAL DBT_PROGRAM COUNT UNIQUE_ID... DBT_ARGUMENT...

It does what the dbt program does with these arguments, and ends as that would, with the same lines on standard output
and the same files in the target folder. Where the slice does not fit, it runs nothing and writes the reason to the
file REFUSAL.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Any, NoReturn

#: The part of dbt's version that must be the same.
_MINOR_PARTS = 2
#: What a relation's name is made of, each by a macro of the project.
_COMPONENTS = ("database", "schema", "alias")
#: Where an entry of another kind than a node stands in a manifest.
_GROUPS = {"source": "sources", "function": "functions"}
#: Adapters whose listing of a schema is one query with a column `name`.
_NARROWED = ("duckdb", "postgres")
#: PostgreSQL's names have 63 letters; `__dbt_tmp` with a time, the longest ending, has less than 40.
_SURE_LETTERS = 20


class Refused(Exception):  # noqa: N818  a word of this room
    """The slice does not fit; the text says why."""


def main(argv: list[str]) -> NoReturn:
    """Run dbt from a slice; never returns. See the module's text for the arguments."""
    # Memory is given back by the end of the process, all at once.
    gc.disable()
    store, refusal, program, count = argv[0], argv[1], argv[2], int(argv[3])
    unique_ids, arguments = argv[4 : 4 + count], argv[4 + count :]
    # As for the dbt program: its folder is the first place to import from, and argv is its command line.
    sys.path[0] = os.path.dirname(program)  # noqa: PTH120  nothing may be imported before
    sys.argv = [program, *arguments]
    try:
        header, manifest = load(store, unique_ids)
    except Refused as reason:
        refuse(refusal, reason)
    leave(invoke(arguments, header, manifest, refusal))


def leave(code: int) -> NoReturn:
    """End the process here, all exit handlers run; to take every object apart would cost a fifth of the run."""
    import atexit

    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def refuse(refusal: str, reason: Refused) -> NoReturn:
    """Write why the slice does not fit, and end."""
    with open(refusal, "w", encoding="utf-8") as stream:  # noqa: PTH123  as above
        stream.write(str(reason))
    leave(1)


def load(store: str, unique_ids: list[str]) -> tuple[dict[str, Any], Any]:
    """The header of a store, and dbt's manifest of the slices of these nodes."""
    try:
        from dbt.version import __version__ as installed

        header, document = read_document(store, unique_ids)
        if _minor(header["dbt_version"]) != _minor(installed):
            raise Refused(f"it was made by dbt {header['dbt_version']}, this is dbt {installed}")
        from dbt.contracts.graph.manifest import Manifest

        manifest: Any = Manifest.from_dict(document)
        manifest.build_flat_graph()
        if header["whole_graph"]:
            manifest.flat_graph = WholeGraph(manifest.flat_graph, store)
    except Refused:
        raise
    except Exception as reason:  # noqa: BLE001  whatever it is, dbt can do without the slice
        raise Refused(f"dbt cannot load it: {type(reason).__name__}: {reason}") from None
    return header, manifest


def read_document(store: str, unique_ids: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header of a store, and the JSON of a manifest that holds the slices of these nodes."""
    import json
    import sqlite3
    import zlib
    from urllib.parse import quote

    opened = sqlite3.connect(f"file:{quote(store)}?mode=ro&immutable=1", uri=True)
    about = dict(opened.execute("SELECT name, data FROM about"))
    header = json.loads(about["header"])
    shared = json.loads(zlib.decompress(about["shared"]))
    header["whole_graph"] = shared.pop("whole_graph")
    numbers = set(shared.pop("parts"))
    for unique_id in unique_ids:
        (parts, looks) = opened.execute("SELECT parts, looks FROM slice WHERE unique_id = ?", (unique_id,)).fetchone()
        numbers.update(map(int, parts.split()))
        # Nodes of one process may take away each other's relations, which only the whole list tells.
        header["only"] = None if looks or len(unique_ids) > 1 else unique_id
    document = {**shared, "nodes": {}, "sources": {}, "functions": {}}
    stub = json.loads(about["stub"])
    # What is computed in a node's configuration, with its code, by unique_id.
    header["rechecks"] = {}
    for number in sorted(numbers):
        # What one node needs in full and another one as a stub stands in full.
        if -number in numbers and number < 0:
            continue
        (data,) = opened.execute("SELECT data FROM part WHERE id = ?", (abs(number),)).fetchone()
        part = json.loads(zlib.decompressobj(zdict=about["dictionary"]).decompress(data))
        unique_id = part["unique_id"]
        group = _GROUPS.get(part["resource_type"], "nodes")
        row = opened.execute("SELECT data FROM recheck WHERE id = ?", (abs(number),)).fetchone()
        if row is not None:
            header["rechecks"][unique_id] = (json.loads(row[0]), part.get("raw_code", ""))
        if number < 0:
            part = {name: part[name] for name in part if name not in stub["lacks"]} | stub["rest"]
        document[group][unique_id] = part
    opened.close()
    return header, document


class WholeGraph(dict[str, Any]):
    """Jinja's `graph` with all nodes of the project, for a hook that walks it: read when somebody asks for one."""

    def __init__(self, small: dict[str, Any], store: str) -> None:
        super().__init__(small)
        self._store: str | None = store

    def __getitem__(self, key: str) -> Any:
        self._fill()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:  # noqa: D102
        self._fill()
        return super().get(key, default)

    def values(self) -> Any:  # noqa: D102
        self._fill()
        return super().values()

    def items(self) -> Any:  # noqa: D102
        self._fill()
        return super().items()

    def _fill(self) -> None:
        import json
        import sqlite3
        import zlib
        from urllib.parse import quote

        store, self._store = self._store, None
        if store is None:
            return
        opened = sqlite3.connect(f"file:{quote(store)}?mode=ro&immutable=1", uri=True)
        (dictionary,) = opened.execute("SELECT data FROM about WHERE name = 'dictionary'").fetchone()
        for (data,) in opened.execute("SELECT data FROM part ORDER BY id"):
            part = json.loads(zlib.decompressobj(zdict=dictionary).decompress(data))
            group = super().__getitem__(_GROUPS.get(part["resource_type"], "nodes"))
            known = group.get(part["unique_id"])
            # What runs here is as dbt has it in memory, parents are stubs.
            if known is None or not known.get("depends_on", {}).get("nodes"):
                group[part["unique_id"]] = {**(known or {}), **part}
        opened.close()


def invoke(arguments: list[str], header: dict[str, Any], manifest: Any, refusal: str) -> int:
    """Run the dbt command on this manifest; its exit code."""
    import dbt.cli.requires as requires
    from dbt.cli.main import cli

    set_up = requires.setup_manifest
    code = 0

    def set_up_and_check(ctx: Any, *args: Any, **kwargs: Any) -> None:
        set_up(ctx, *args, **kwargs)
        try:
            check(ctx.obj["runtime_config"], manifest, header)
            narrow_listing(ctx.obj["runtime_config"], manifest, header["only"])
        except Refused as reason:
            refuse(refusal, reason)

    # The first moment at which profile, project and adapter are known, and the last before anything runs.
    requires.setup_manifest = set_up_and_check
    try:
        cli.main(args=arguments, prog_name="dbt", obj={"manifest": manifest})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code


def check(config: Any, manifest: Any, header: dict[str, Any]) -> None:
    """Compare what dbt has read here with what the slice was made from; raises `Refused`.

    Names of relations are fixed when a manifest is made, for the target of that moment. So they are made again, by the
    project's own macros, for the target of this one.
    """
    if config.credentials.type != header["adapter_type"]:
        raise Refused(
            f"it was made for {header['adapter_type']}, the target {config.target_name} is {config.credentials.type}"
        )
    if config.project_name != header["project_name"]:
        raise Refused(f"it was made for the project {header['project_name']}, this is {config.project_name}")
    try:
        configured_alike(config, manifest, header["rechecks"])
        named_alike(config, manifest)
        sources_alike(config, manifest)
        place_seeds(config, manifest)
    except Refused:
        raise
    except Exception as reason:  # noqa: BLE001  whatever it is, dbt can do without the slice
        raise Refused(f"names cannot be compared: {type(reason).__name__}: {reason}") from None


def configured_alike(config: Any, manifest: Any, rechecks: dict[str, Any]) -> None:
    """Raise `Refused` where a computed value of a node's configuration would come to something else here.

    Rendered as dbt renders it when it parses, with the vars, the environment and the target of this task.
    """
    import json

    for unique_id, (values, raw_code) in rechecks.items():
        node = manifest.nodes[unique_id]
        baked_in = node.config.to_dict(omit_none=False)
        calls = config_calls(config, manifest, node, raw_code) if any(it["kind"] == "sql" for it in values) else {}
        for value in values:
            key = value["keys"][0]
            rendered = calls.get(key) if value["kind"] == "sql" else rendered_value(config, node, value)
            here, there = (json.dumps(it, default=str, sort_keys=True) for it in (rendered, baked_in.get(key)))
            if here != there:
                raise Refused(
                    f"`{key}` of {unique_id} is {there} in it and {here} with the vars and target of the task"
                )


def config_calls(config: Any, manifest: Any, node: Any, raw_code: str) -> dict[str, Any]:
    """What the code of a node says in `config()`."""
    from copy import copy

    from dbt.clients.jinja import get_rendered
    from dbt.context.context_config import ContextConfig
    from dbt.context.providers import generate_parser_model_context

    here = copy(node)
    here.raw_code, here.refs, here.sources, here.metrics = raw_code, [], [], []
    calls = ContextConfig(config, node.fqn, node.resource_type, node.package_name)
    context = generate_parser_model_context(here, config, manifest, calls)
    get_rendered(raw_code, context, here, capture_macros=True)
    return dict(calls._config_call_dict)


def rendered_value(config: Any, node: Any, value: dict[str, Any]) -> Any:
    """What a text of a YAML file, or a key of a project file, comes to."""
    from dbt.clients.jinja import get_rendered
    from dbt.context.configured import generate_schema_yml_context

    if value["kind"] == "yaml":
        return get_rendered(value["text"], generate_schema_yml_context(config, node.package_name), native=True)
    package, section, *path = value["path"]
    project = config if package == config.project_name else config.load_dependencies()[package]
    found = getattr(project, {"tests": "data_tests"}.get(section, section))
    for key in path:
        found = found[key]
    return found


def named_alike(config: Any, manifest: Any) -> None:
    """Raise `Refused` where a node would have another relation here."""
    from copy import copy

    from dbt.parser.base import RelationUpdate

    nodes = [node for node in manifest.nodes.values() if node.relation_name is not None]
    # A function is called by its name in the warehouse, but is no relation.
    nodes += manifest.functions.values()
    if not nodes:
        return
    for component in _COMPONENTS:
        name = RelationUpdate(config, manifest, component)
        for node in nodes:
            there = getattr(node, component)
            here = copy(node)
            name(here, getattr(node.config, component, None))
            found = getattr(node.config, f"target_{component}", None) or getattr(here, component)
            if found != there:
                told = f"the {component} of {node.unique_id} is {there!r} in it and {found!r}"
                raise Refused(f"{told} on the target {config.target_name}")


def sources_alike(config: Any, manifest: Any) -> None:
    """Raise `Refused` where a source would be another table here."""
    from dbt.clients.jinja import get_rendered
    from dbt.context.configured import generate_schema_yml_context

    for source in manifest.sources.values():
        context = generate_schema_yml_context(config, source.package_name)
        for component, default in (("database", config.credentials.database), ("schema", source.source_name)):
            written = getattr(source, f"unrendered_{component}")
            found = default if written is None else get_rendered(written, context)
            if found != getattr(source, component):
                told = f"the {component} of {source.unique_id} is {getattr(source, component)!r} in it and {found!r}"
                raise Refused(f"{told} on the target {config.target_name}")


def narrow_listing(config: Any, manifest: Any, unique_id: str | None) -> None:
    """Let dbt list only the relations whose names begin as that of this node, the only one that runs.

    dbt asks for all relations of a schema, which in one of 5,000 takes as long as all else. A node's materialization
    looks for its own relation and for those that it names after it, with `__dbt_tmp` and the like behind.
    """
    import threading

    from dbt.adapters.factory import get_adapter

    node = None if unique_id is None else manifest.nodes.get(unique_id) or manifest.sources.get(unique_id)
    name = str(getattr(node, "identifier", "") or getattr(node, "alias", ""))
    # Long names are cut in the middle to make room for what stands behind.
    start = name[:_SURE_LETTERS].lower()
    if config.credentials.type not in _NARROWED or not start.isascii() or not start.replace("_", "a").isalnum():
        return
    adapter: Any = get_adapter(config)
    list_all, execute, lock = adapter.list_relations_without_caching, adapter.execute, threading.Lock()

    def narrowed(sql: str, *args: Any, **kwargs: Any) -> Any:
        listed = f"select * from (\n{sql}\n) as listed where left(lower(name), {len(start)}) = '{start}'"  # noqa: S608  letters only
        return execute(listed, *args, **kwargs)

    def list_some(schema_relation: Any) -> Any:
        with lock:
            adapter.execute = narrowed
            try:
                return list_all(schema_relation)
            finally:
                del adapter.execute

    adapter.list_relations_without_caching = list_some
    # PostgreSQL: which view of another node goes away with this one's table matters to that node alone.
    adapter._link_cached_database_relations = lambda schemas: None


def place_seeds(config: Any, manifest: Any) -> None:
    """Tell seeds where their files lie on this machine; the manifest knows where they lay when it was made."""
    for node in manifest.nodes.values():
        if node.resource_type == "seed":
            projects = None if node.package_name == config.project_name else config.load_dependencies()
            node.root_path = (config if projects is None else projects[node.package_name]).project_root


def _minor(version: str) -> list[str]:
    return version.split(".")[:_MINOR_PARTS]


if __name__ == "__main__":
    main(sys.argv[1:])
