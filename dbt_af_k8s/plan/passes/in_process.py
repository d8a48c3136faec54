"""Whether one `dbt build` keeps an edge between two tasks: what dbt orders, and what it holds back after a failure.

dbt orders nodes by their refs. A test holds back a node where all that the test depends on is upstream of the node
(`Linker.add_test_edges` in `dbt/compilation.py`, 1.11). A task that starts from slices has only its own nodes in full,
so only paths through them and through ephemeral models count here.
"""

from collections.abc import Iterable, Mapping

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.values import TaskKind, TaskPlan


class InProcess:
    """Answers for the tasks of one DAG."""

    def __init__(self, manifest: Manifest, tasks: Mapping[str, TaskPlan]) -> None:
        self._nodes = manifest.nodes
        self._tasks = tasks

    def holds(self, upstream: str, task: str, inside: frozenset[str]) -> bool:
        """Whether a process of the tasks `inside` does not begin `task` before `upstream` is done, and done well."""
        full = frozenset(node for task_id in inside for node in self._tasks[task_id].nodes)
        tests = list(self._tests(upstream))
        if not tests or self._tasks[task].kind is TaskKind.ENDPOINT:
            return True
        needed = {parent for test in tests for parent in self._nodes[test].parents}
        return all(self._waits_for(key, needed, full) for key in self._tasks[task].nodes)

    def _waits_for(self, key: str, needed: set[str], full: frozenset[str]) -> bool:
        """Whether all of `needed` is upstream of a node; of a test, upstream of something here that it tests."""
        if not self._nodes[key].is_test:
            return needed <= self._reach((key,), full)
        built = [parent for parent in self._nodes[key].parents if parent in full]
        return any(needed <= self._reach((parent,), full) for parent in built)

    def _tests(self, task_id: str) -> Iterable[str]:
        task = self._tasks[task_id]
        if task.kind is TaskKind.ENDPOINT:
            return [node for upstream in task.upstream for node in self._tasks[upstream].nodes]
        return task.nodes if task.kind is TaskKind.TEST else ()

    def _reach(self, keys: Iterable[str], full: frozenset[str]) -> set[str]:
        """Everything that these nodes read, through nodes in full and ephemeral ones."""
        found: set[str] = set()
        waiting = list(keys)
        while waiting:
            node = self._nodes.get(waiting.pop())
            for parent in node.parents if node is not None else ():
                if parent not in found:
                    found.add(parent)
                    known = self._nodes.get(parent)
                    if parent in full or (known is not None and known.is_ephemeral):
                        waiting.append(parent)
        return found
