"""What one dbt process is asked to do, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.errors import UsageError


@dataclass(frozen=True, slots=True)
class DbtSelection:
    """One node, named so that dbt's `--select` finds it and nothing else."""

    unique_id: str
    resource_type: str
    package: str
    #: As in the manifest. Empty where only the unique_id is known: then kind, package and name must be enough.
    fqn: tuple[str, ...]
    #: unique_ids of its parents, needed only where another node of the same kind has the same package and fqn (tests
    #: of two models that a person gave one name).
    parents: tuple[str, ...] = ()


def node_by_id(unique_id: str) -> DbtSelection:
    """The node of this unique_id (`model.shop.orders`, `model.shop.orders.v2`), without a look into the manifest.

    Two tests that a person gave one name cannot be told apart this way; dbt then runs both and the task fails.
    Raises `UsageError` for what is no unique_id.
    """
    resource_type, _, rest = unique_id.partition(".")
    package, _, name = rest.partition(".")
    if not (resource_type and package and name):
        raise UsageError(
            f"{unique_id!r} is no unique_id of dbt: it has a kind, a package and a name, as `model.shop.orders`."
        )
    return DbtSelection(unique_id, resource_type, package, ())


@dataclass(frozen=True, slots=True)
class DbtInvocation:
    """The part of a dbt command that is known when planning."""

    #: `run`, `seed`, `snapshot`, `test`, `build` (all of these, in order), `freshness` (of one source) or
    #: `run-operation` (upkeep of one node).
    verb: str
    nodes: tuple[DbtSelection, ...]
    #: Name of the dbt target, or None for the profile's default.
    target: str | None = None
    #: The batches of a microbatch model, which takes dbt's own event-time flags; None for every other node.
    microbatch: Microbatch | None = None
    #: The dbt program: a name on the PATH or a path. None: the one of the environment that runs the task.
    executable: str | None = None
    #: Environment variables of the dbt process besides the worker's own, as pairs sorted by name.
    env: tuple[tuple[str, str], ...] = ()
    #: The maintenance operation of `run-operation`, and its options as pairs sorted by name.
    operation: str | None = None
    options: tuple[tuple[str, str | int | tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class FreeSelection:
    """What a person wants `dbt run` to run, every word checked (`dbt.run_options`)."""

    #: Terms of dbt's selection syntax.
    select: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    full_refresh: bool = False
    #: dbt vars besides `start_dttm` and `end_dttm`: JSON values.
    variables: Mapping[str, Any] = field(default_factory=dict)
    #: Further arguments, each in the form `--name` or `--name=value`.
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DbtProject:
    """Where a dbt project lies on the machine that runs dbt. Paths are absolute."""

    project_dir: Path
    profiles_dir: Path | None = None
    #: The file of slices that tasks may start from (`dbt.slices`); None: dbt parses the whole project in each task.
    slices: Path | None = None
    #: As `slices`, for targets that have a manifest of their own, as pairs sorted by target.
    target_slices: tuple[tuple[str, Path], ...] = ()

    def slices_for(self, target: str | None) -> Path | None:
        """The file of slices for tasks on this target: its own, else that of the project's manifest."""
        return next((file for name, file in self.target_slices if name == target), self.slices)
