"""What `warm.py` does with dbt: importing it early, reading its saved parse, running its commands.

For dbt's own Python, as `warm.py` is; it imports nothing but the standard library and dbt.
"""

from __future__ import annotations

import importlib
from typing import Any

#: Modules that dbt 1.11 imports only when a command needs them.
_LATE_IMPORTS = (
    "dbt.compilation",
    "dbt.graph.thread_pool",
    "dbt.task.build",
    "dbt.task.freshness",
    "dbt.task.list",
    "dbt.task.run",
    "dbt.task.run_operation",
    "dbt.task.seed",
    "dbt.task.snapshot",
    "dbt.task.test",
    "dbt_common.clients.agate_helper",
    "sqlparse",
)


def saved_parse(file: str) -> Any:
    """The manifest from the file in which dbt itself keeps a parse; as dbt reads it where no file has changed."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    with open(file, "rb") as stream:  # noqa: PTH123  as in driver.py
        manifest: Any = Manifest.from_msgpack(stream.read(), decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()
    # What is imported and computed now need not be by each child.
    from dbt.adapters.factory import load_plugin

    load_plugin(manifest.metadata.adapter_type).json_schema()
    return manifest


def warm_up() -> None:
    """Import what dbt imports on its way, and make the schemas by which it checks the project's files."""
    for name in _LATE_IMPORTS:
        importlib.import_module(name)
    from dbt.contracts.project import Configuration, PackageConfig, ProfileConfig, Project, ProjectFlags

    for kind in (Configuration, PackageConfig, ProfileConfig, Project, ProjectFlags):
        kind.json_schema()


def invoke(arguments: list[str], manifest: Any) -> int:
    """Run the dbt command, on a manifest or on the project itself; its exit code."""
    import dbt.cli.requires as requires
    from dbt.cli.main import cli

    if manifest is not None:
        _make_own(manifest, requires)
    code = 0
    try:
        cli.main(args=arguments, prog_name="dbt", obj=None if manifest is None else {"manifest": manifest})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code


def _make_own(manifest: Any, requires: Any) -> None:
    """Give this child's copy of the manifest what is not to be shared: a lock, and its invocation's id and time.

    The lock is one of processes, so that a child killed with it in hand would stop all others.
    """
    from datetime import datetime, timezone

    from dbt.mp_context import get_mp_context
    from dbt_common.invocation import get_invocation_id

    manifest._lock = get_mp_context().Lock()
    set_up = requires.setup_manifest

    def set_up_and_date(ctx: Any, *args: Any, **kwargs: Any) -> None:
        set_up(ctx, *args, **kwargs)
        # As dbt dates a saved parse that it reads (`ManifestLoader.read_manifest_for_partial_parse`).
        manifest.metadata.generated_at = datetime.now(timezone.utc).replace(tzinfo=None)  # noqa: UP017  3.10
        manifest.metadata.invocation_id = get_invocation_id()

    requires.setup_manifest = set_up_and_date
