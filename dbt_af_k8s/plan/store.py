"""The compiled plan on disk: the one place of this room that touches it.

A DAG file is read every few seconds, and again at the start of every task. What has not changed since the plan was
made is told by the sizes and times of a handful of files; then one DAG is one small file to read. The plan is made
again by whoever finds it stale, once: parallel parsers wait for a lock, and every file is written whole or not at all.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dbt_af_k8s import __version__
from dbt_af_k8s.config.target_path import target_path_in
from dbt_af_k8s.errors import Issue, ProjectError
from dbt_af_k8s.plan.compiled import (
    FileStamp,
    Index,
    RecordingEnvironment,
    dag_file,
    index_from_text,
    index_to_text,
    pack_dag,
    unpack_dag,
    why_stale,
)
from dbt_af_k8s.plan.last_good import LastGoodPlan, is_about_manifest_file, with_banner
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagPlan, Plan

if TYPE_CHECKING:
    from dbt_af_k8s.dbt.slices.targets import PlanSlices

#: Folder for compiled plans of projects that cannot be written to.
CACHE_VARIABLE = "DBT_AF_K8S_CACHE_DIR"
_INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan's DAGs, and where they came from."""

    dags: tuple[DagPlan, ...]
    #: Folder of the compiled plan; None where it could be written nowhere.
    folder: Path | None
    #: Why it was made anew; None where it was read.
    because: str | None
    #: The file of slices that tasks may start from; None where there is none.
    slices: Path | None = None
    #: The same for targets with a manifest of their own, as pairs sorted by target.
    target_slices: tuple[tuple[str, Path], ...] = ()
    #: What was found when the slices were made; None where they were not made now.
    made_slices: "PlanSlices | None" = None
    #: Where `folder` is None: each folder that was tried, with the system's reason.
    unwritten: tuple[str, ...] = ()
    #: What planning found wrong with the project; empty where the plan was read.
    issues: tuple[Issue, ...] = ()
    #: Why this is the last good plan, and not one of the project as it is now; None where it is that.
    stands_in: Issue | None = None


#: Lets dbt write the manifest of a target: (target, dbt program or None, the manifest's file) -> why it could not.
ParseTarget = Callable[[str, str | None, Path], str | None]


def load_dags(request: PlanRequest, env: Mapping[str, str], *, only: str | None = None) -> Compiled:
    """The DAGs of a project, or that with the id `only`: from the compiled plan, made anew where it is stale.

    While the manifest cannot be read, the last plan stands in for a time (`dags.last_good_plan`).

    Raises:
        ProjectError: as `plan_for_airflow`.

    """
    because = "there is none yet"
    for folder in _folders(request, env):
        index = _read_index(folder)
        if index is None:
            continue
        stale = _why_stale(index, request, env)
        if stale is None:
            dags = _read_dags(folder, index, only)
            if dags is not None and _has_stores(folder, index):
                return _read(dags, folder, index)
            stale = "a file of it is missing or damaged"
        because = stale
    try:
        return compile_project(request, env, because=because, only=only)
    except ProjectError as fault:
        last = last_good_plan(request, env, fault, now=datetime.now(UTC), only=only)
        if last is None:
            raise
        if not last.is_in_time:
            raise ProjectError([*fault.issues, last.issue]) from None
        return replace(_read(with_banner(last.dags, last.issue), last.folder, last.index), stands_in=last.issue)


def last_good_plan(
    request: PlanRequest, env: Mapping[str, str], fault: ProjectError, *, now: datetime, only: str | None = None
) -> LastGoodPlan | None:
    """The whole compiled plan that may stand in for a project whose manifest cannot be read; None for other faults.

    The time counts from the last change of the manifest's file, or of the folder that it is missing in: no folder has
    to be written to, and all processes agree on it.
    """
    if not is_about_manifest_file(fault.issues):
        return None
    manifest = manifest_file(request, env)
    for folder in _folders(request, env):
        index = _read_index(folder)
        if index is None or (index.made_by, index.request) != (__version__, request.fingerprint):
            continue
        if index.stands_in_for == 0:
            continue
        dags = _read_dags(folder, index, only)
        if dags is None or not _has_stores(folder, index):
            continue
        made = datetime.fromtimestamp((folder / _INDEX).stat().st_mtime, UTC)
        return LastGoodPlan(dags, folder, index, made=made, since=_last_change(manifest), now=now)
    return None


def _last_change(path: Path) -> datetime:
    """When a file, or the nearest folder above it that is there, was changed last, whatever time it pretends."""
    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            return datetime.fromtimestamp(place.stat().st_ctime, UTC)
    return datetime.min.replace(tzinfo=UTC)


def compile_project(
    request: PlanRequest,
    env: Mapping[str, str],
    *,
    because: str = "it was asked for",
    only: str | None = None,
    parse: ParseTarget | None = None,
    strict: bool = False,
) -> Compiled:
    """Make the compiled plan of a project, in its target folder or in the cache folder.

    `parse`, if given, is called for each target that the plan's dbt tasks run on. With `strict` an error of one domain
    stops all of it.

    Raises:
        ProjectError: as `plan_for_airflow`.

    """
    unwritten = []
    for folder in _folders(request, env):
        try:
            with _locked(folder):
                return _compile_into(folder, request, env, because, only, parse, strict)
        except OSError as reason:
            unwritten.append(f"{folder}: {(reason.strerror or str(reason)).lower()}")
    plan, _, _ = _plan(request, env, strict=strict)
    why = f"{because}; no folder can be written to"
    return Compiled(_only(plan.dags, only), None, why, unwritten=tuple(unwritten), issues=plan.issues)


def _compile_into(
    folder: Path,
    request: PlanRequest,
    env: Mapping[str, str],
    because: str,
    only: str | None,
    parse: ParseTarget | None,
    strict: bool,
) -> Compiled:
    from dbt_af_k8s.dbt.slices.targets import make_plan_slices, target_manifest
    from dbt_af_k8s.plan.targets import dbt_targets

    index = _read_index(folder)
    if index is not None and because != "it was asked for" and _why_stale(index, request, env) is None:
        made_meanwhile = _read_dags(folder, index, only)
        if made_meanwhile is not None and _has_stores(folder, index):
            return _read(made_meanwhile, folder, index)
    plan, index, packed = _plan(request, env, strict=strict)
    targets = {
        target: None if parse is None else parse(target, executable, target_manifest(folder, target))
        for target, executable in dbt_targets(plan.dags)
    }
    made = make_plan_slices(manifest_file(request, env), request.project_dir, folder, targets)
    own = {found.target: found.summary.name for found in made.targets if found.summary is not None}
    index = replace(index, slices=None if made.main is None else made.main.name, target_slices=own)
    stamps = [_stamp(target_manifest(folder, target), request) for target in own]
    index = replace(index, files=tuple(sorted((*index.files, *stamps), key=lambda stamp: stamp.path)))
    for name, data in packed.items():
        _write(folder / name, data)
    _write(folder / _INDEX, index_to_text(index).encode())
    # Whoever holds the lock is the only one who writes here: what else is half written is of one who was killed.
    for file in sorted((*folder.glob("*.json.z"), *folder.glob("*.slices"), *folder.glob(".writing-*"))):
        if file.name not in packed and file.name not in index.stores:
            file.unlink(missing_ok=True)
    made_now = _read(_only(plan.dags, only), folder, index)
    return replace(made_now, because=because, made_slices=made, issues=plan.issues)


def _read(dags: tuple[DagPlan, ...], folder: Path, index: Index) -> Compiled:
    own = tuple((target, folder / name) for target, name in sorted(index.target_slices.items()))
    return Compiled(dags, folder, None, None if index.slices is None else folder / index.slices, own)


def _plan(
    request: PlanRequest, env: Mapping[str, str], *, strict: bool = False
) -> tuple[Plan, Index, Mapping[str, bytes]]:
    """Plan the project. What planning needs is imported only here: a fresh compiled plan needs none of it."""
    from dbt_af_k8s.plan.project import build_project, files_of, loadable

    recording = RecordingEnvironment(env)
    files = files_of(request, recording, manifest_file(request, recording))
    stamps = {path: _stamp(path, request) for path in files}
    built = build_project(request, recording)
    plan = loadable(built, strict=strict)
    packed = [(dag.dag_id, pack_dag(dag)) for dag in plan.dags]
    entries = [dag_file(dag_id, data) for dag_id, data in packed]
    index = Index(
        made_by=__version__,
        request=request.fingerprint,
        files=tuple(sorted(stamps.values(), key=lambda stamp: stamp.path)),
        env=recording.asked(),
        dags=tuple(entries),
        stands_in_for=built.inputs.settings.dags.last_good_plan,
    )
    return plan, index, {entry.name: data for entry, (_, data) in zip(entries, packed, strict=True)}


def _why_stale(index: Index, request: PlanRequest, env: Mapping[str, str]) -> str | None:
    return why_stale(
        index,
        made_by=__version__,
        request=request.fingerprint,
        env=env,
        is_unchanged=lambda stamp: _is_unchanged(stamp, request),
    )


def _is_unchanged(stamp: FileStamp, request: PlanRequest) -> bool:
    path = request.project_dir / stamp.path
    try:
        found = path.stat()
    except OSError:
        return stamp.size == -1
    if (found.st_size, found.st_mtime_ns) == (stamp.size, stamp.mtime_ns):
        return True
    # A copy of the project (an image, a git checkout) has other times and the same content.
    return found.st_size == stamp.size and _stamp(path, request).sha256 == stamp.sha256


def _stamp(path: Path, request: PlanRequest) -> FileStamp:
    name = path.relative_to(request.project_dir).as_posix() if path.is_relative_to(request.project_dir) else str(path)
    try:
        found = path.stat()
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return FileStamp(name, -1, 0, "")
    return FileStamp(name, found.st_size, found.st_mtime_ns, digest)


def _folders(request: PlanRequest, env: Mapping[str, str]) -> Iterator[Path]:
    """Where the compiled plan of a request may be: beside the manifest, then in the cache folder."""
    yield manifest_file(request, env).parent / "dbt_af_k8s" / "plan" / request.fingerprint
    cache = env.get(CACHE_VARIABLE)
    if cache:
        project = hashlib.sha256(str(request.project_dir).encode()).hexdigest()[:16]
        yield Path(cache).expanduser() / project / request.fingerprint


def manifest_file(request: PlanRequest, env: Mapping[str, str]) -> Path:
    """The manifest of the request: where dbt writes it, unless the request names one."""
    if request.manifest is not None:
        return request.manifest
    try:
        data = (request.project_dir / "dbt_project.yml").read_bytes()
    except OSError:
        data = b""
    return request.project_dir / target_path_in(data, env) / "manifest.json"


def _read_index(folder: Path) -> Index | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return index_from_text((folder / _INDEX).read_text("utf-8"))
    return None


def _read_dags(folder: Path, index: Index, only: str | None) -> tuple[DagPlan, ...] | None:
    """The DAGs that are asked for, or None where a file is not what the index says."""
    entries = [entry for entry in index.dags if only in (None, entry.dag_id)]
    dags = []
    for entry in entries:
        try:
            dag = unpack_dag((folder / entry.name).read_bytes(), entry)
        except OSError:
            return None
        if dag is None:
            return None
        dags.append(dag)
    return tuple(dags)


def _has_stores(folder: Path, index: Index) -> bool:
    """Whether the slices are still there; what is in them is looked at by each task."""
    return all((folder / name).is_file() for name in index.stores)


def _only(dags: tuple[DagPlan, ...], only: str | None) -> tuple[DagPlan, ...]:
    return tuple(dag for dag in dags if only in (None, dag.dag_id))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; who comes second waits and then finds the plan made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
