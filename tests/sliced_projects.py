"""Running the nodes of a dbt project both ways: from slices of its manifest, and by dbt on the whole project.

All runs are forks of one process that has imported dbt, which is most of what a run costs. The whole side runs the
nodes of one verb at once where their parents allow it; that is the same to dbt. The sliced side has a process for each
node that a test wants to see alone, as most tasks have; the others run in such groups, as fused tasks do.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt import driver
from dbt_af_k8s.dbt.command import argv_here, dbt_words, operation_words
from dbt_af_k8s.dbt.logs import read_line
from dbt_af_k8s.dbt.maintenance import maintenance_result
from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.dbt.slices.make import make_slices
from dbt_af_k8s.dbt.slices.start import refusal_in, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice, SliceSummary
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection

DRIVER = Path(driver.__file__)
DBT = str(Path(sys.executable).with_name("dbt"))
START = datetime(2026, 1, 11, tzinfo=UTC)
END = datetime(2026, 1, 12, tzinfo=UTC)
VERBS = {"model": "run", "seed": "seed", "snapshot": "snapshot", "test": "test", "source": "freshness"}
#: What differs from run to run by nature.
CLOCKED = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "loaded_at")
#: Runs whatever a line of standard input asks for, in a fork: the driver, or dbt itself. Answers with the exit code.
WARM = """
import atexit, gc, json, os, runpy, sys
import dbt.adapters.duckdb, dbt.adapters.postgres, dbt.cli.main, dbt.contracts.graph.manifest

def run(job):
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1), os.dup2(output, 2)
    os.environ.clear(), os.environ.update(job["env"]), os.chdir(job["cwd"])
    if job["driver"]:
        sys.argv = [job["driver"], *job["argv"]]
        runpy.run_path(sys.argv[0], run_name="__main__")
    result = dbt.cli.main.dbtRunner().invoke(job["argv"])
    if result.exception:
        print(result.exception)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(0 if result.success else 2 if result.exception else 1)

gc.collect(), gc.freeze()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            run(json.loads(line))
        finally:
            os._exit(99)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Sliced:
    """A parsed project with the slices of one target."""

    root: Path
    manifest: dict[str, Any]
    summary: SliceSummary
    environment: dict[str, str]
    target: str | None = None

    @property
    def store(self) -> Path:
        return self.root / target_folder(self.target) / self.summary.name

    def invocation(self, *unique_ids: str, target: str | None = None) -> DbtInvocation:
        nodes = [(self.manifest["nodes"] | self.manifest["sources"])[unique_id] for unique_id in unique_ids]
        return DbtInvocation(
            VERBS[nodes[0]["resource_type"]],
            tuple(
                DbtSelection(node["unique_id"], node["resource_type"], node["package_name"], selected_as(node))
                for node in nodes
            ),
            target=target or self.target,
            microbatch=Microbatch() if is_microbatch(nodes[0]) else None,
        )


@dataclass(frozen=True)
class Outcome:
    """What one dbt process said and left."""

    code: int
    rows: list[dict[str, Any]]
    ages: list[dict[str, Any]]
    lines: list[str]
    refused: str | None


class WarmDbt:
    """dbt, run many times from one process that has imported it already."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, argv: tuple[str, ...], cwd: Path, env: dict[str, str], output: Path) -> tuple[int, str]:
        is_driver = argv[:2] == (sys.executable, str(DRIVER))
        assert is_driver or argv[0] == DBT
        job = {
            "driver": str(DRIVER) if is_driver else None,
            "argv": argv[2:] if is_driver else argv[1:],
            "cwd": str(cwd),
            "env": env,
            "output": str(output),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), output.read_text("utf-8")

    def close(self) -> None:
        self._process.communicate()


def selected_as(node: dict[str, Any]) -> tuple[str, ...]:
    if node["resource_type"] == "source":
        return node["package_name"], node["source_name"], node["name"]
    return tuple(node["fqn"])


def target_folder(target: str | None) -> str:
    return "target" if target is None else f"target_{target}"


def clean_environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "SHOP_"))} | more


def parse_and_slice(root: Path, environment: dict[str, str], target: str | None = None) -> Sliced:
    flags = [] if target is None else ["--target", target, "--target-path", target_folder(target)]
    done = subprocess.run(
        [DBT, "--quiet", "parse", *flags], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout
    return slice_again(root, environment, target)


def slice_again(root: Path, environment: dict[str, str], target: str | None = None) -> Sliced:
    folder = root / target_folder(target)
    data = (folder / "manifest.json").read_bytes()
    return Sliced(root, json.loads(data), make_slices(data, root, folder), environment, target)


@dataclass(frozen=True)
class Runner:
    """Runs nodes of one project, either way."""

    project: Sliced
    warm: WarmDbt
    folder: Path
    environment: Mapping[str, str]
    variables: Mapping[str, Any]
    sliced: bool

    def run(self, invocation: DbtInvocation, name: str, *flags: str) -> Outcome:
        environment = {**self.project.environment, **self.environment}
        target_path = self.folder / name
        target_path.mkdir(parents=True)
        make: Callable[..., tuple[str, ...]] = dbt_words if invocation.operation is None else operation_words
        argv = argv_here(
            make(invocation, start=START, end=END, variables=self.variables),
            DbtProject(self.project.root, self.project.root),
            executable=invocation.executable,
            target_path=target_path,
        )
        if self.sliced:
            start = start_from_slice(
                invocation,
                self.project.store,
                argv,
                project_dir=self.project.root,
                target_path=target_path,
                environment=environment,
            )
            assert not isinstance(start, NoSlice), start.because
            argv = start.argv
        code, output = self.warm.run((*argv, *flags), self.project.root, environment, target_path / "output.txt")
        refused = refusal_in(target_path)
        assert refused is None, refused
        return Outcome(
            code,
            results_in(target_path / "run_results.json"),
            results_in(target_path / "sources.json"),
            output.splitlines(),
            refused,
        )

    def run_all(self, groups: list[list[str]], *, alone: Callable[[str], bool]) -> dict[str, Any]:
        """What became of each node and source, by unique_id; those that are `alone` have a process of their own."""
        found: dict[str, Any] = {}
        for number, keys in enumerate(part for group in groups for part in in_parts(group, alone)):
            one = self.run(self.project.invocation(*keys), str(number))
            told = told_of_nodes(one.rows) | told_of_sources(one.ages)
            assert told.keys() >= set(keys), one.lines
            failed = any(result["status"] in ("error", "fail") for result in told.values())
            assert one.code == int(failed), one.lines
            found |= told
        return found

    def maintain(self, unique_id: str, operation: str, **options: str | int | tuple[str, ...]) -> Any:
        """The macro's own words about one operation."""
        asked = replace(
            self.project.invocation(unique_id),
            verb="run-operation",
            operation=operation,
            options=tuple(sorted(options.items())),
        )
        done = self.run(asked, f"{operation}_{unique_id}")
        told = [maintenance_result(read_line(line).message) for line in done.lines]
        assert done.code == 0, done.lines
        return [result for result in told if result is not None]


def results_in(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_bytes())["results"] if file.exists() else []


def in_parts(group: list[str], alone: Callable[[str], bool]) -> Iterator[list[str]]:
    """The group in the same order, in parts of one node or more."""
    together: list[str] = []
    for key in group:
        if alone(key):
            if together:
                yield together
            yield [key]
            together = []
        else:
            together.append(key)
    if together:
        yield together


def first_of_their_kind(manifest: dict[str, Any]) -> frozenset[str]:
    """One node of each materialization and strategy."""
    found: dict[tuple[Any, ...], str] = {}
    for key, node in sorted(manifest["nodes"].items()):
        config = node["config"]
        found.setdefault((node["resource_type"], config["materialized"], config.get("incremental_strategy")), key)
    return frozenset(found.values())


def in_groups(
    manifest: dict[str, Any], *, seeds_first: bool = False, leave_out: tuple[str, ...] = ()
) -> list[list[str]]:
    """The nodes that a task may run, in as few groups of one verb as their parents allow; then tests, then sources."""
    nodes = {key: node for key, node in manifest["nodes"].items() if is_run(node) and key not in leave_out}
    left = {key: upstream(manifest, key) & nodes.keys() for key in sorted(nodes) if not key.startswith("test.")}
    groups: list[list[str]] = []
    while left:
        ready: dict[Any, list[str]] = {}
        for kind in sorted({kind_of(nodes[key]) for key in left}, key=lambda kind: (kind[0] != "seed", kind)):
            ready[kind] = list(closed(left, lambda key, kind=kind: kind_of(nodes[key]) == kind))
        kind = next(iter(ready)) if seeds_first and not groups else max(ready, key=lambda kind: len(ready[kind]))
        groups.append(ready[kind])
        left = {key: above - set(ready[kind]) for key, above in left.items() if key not in ready[kind]}
    groups.append([key for key in sorted(nodes) if key.startswith("test.")])
    groups.append(
        sorted(
            key
            for key, source in manifest["sources"].items()
            if (source["freshness"] or {}).get("warn_after", {}).get("count")
        )
    )
    return [group for group in groups if group]


def closed(left: Mapping[str, set[str]], may: Callable[[str], bool]) -> Iterator[str]:
    """The nodes that may run one after the other before any that may not; parents first."""
    done: set[str] = set()
    grows = True
    while grows:
        grows = False
        for key, above in left.items():
            if key not in done and may(key) and above <= done:
                done.add(key)
                grows = True
                yield key


def upstream(manifest: dict[str, Any], key: str) -> set[str]:
    """The parents, with those behind ephemeral ones."""
    found: set[str] = set()
    waiting = list(manifest["nodes"][key]["depends_on"].get("nodes", []))
    while waiting:
        parent = waiting.pop()
        node = manifest["nodes"].get(parent)
        if node is not None and parent not in found:
            found.add(parent)
            waiting += [] if is_run(node) else node["depends_on"].get("nodes", [])
    return found


def kind_of(node: dict[str, Any]) -> tuple[str, bool]:
    return node["resource_type"], is_microbatch(node)


def is_run(node: dict[str, Any]) -> bool:
    return (
        node["resource_type"] in ("model", "seed", "snapshot", "test") and node["config"]["materialized"] != "ephemeral"
    )


def is_microbatch(node: dict[str, Any]) -> bool:
    return node["config"].get("incremental_strategy") == "microbatch"


def told_of_nodes(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What must be the same of each node's row; hooks have none of their own here."""
    return {
        row["unique_id"]: {
            "status": row["status"],
            "failures": row["failures"],
            "relation": row["relation_name"],
            "sql": row["compiled_code"],
            "message": (row["message"] or "").partition("compiled code at")[0],
        }
        for row in rows
        if not row["unique_id"].startswith("operation.")
    }


def told_of_sources(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What must be the same of each source's row."""
    return {row["unique_id"]: {name: row[name] for name in ("status", "max_loaded_at", "criteria")} for row in rows}
