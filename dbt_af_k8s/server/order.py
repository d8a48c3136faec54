"""Whether slices of some nodes are enough for dbt to run them in the order in which it runs them in the whole project.

A process that starts from slices has the nodes of the command in full, and of what they read only stubs, which lead
nowhere; so it sees the paths through its own nodes and through ephemeral ones. dbt also holds a node back after a
failed test where everything that the test reads is upstream of the node (`Linker.add_test_edges` in
`dbt/compilation.py`, 1.11).
"""

from collections.abc import Sequence

from dbt_af_k8s.manifest.values import Manifest


def keeps_order(manifest: Manifest, unique_ids: Sequence[str]) -> bool:
    """Whether what comes before each of these nodes among the others is the same in slices and in the project."""
    inside = frozenset(unique_ids)
    needs = {key: frozenset(manifest.nodes[key].parents) for key in unique_ids if _is_test(manifest, key)}
    if len(inside) < 2 or len(needs) == len(inside):
        return True
    for key in unique_ids:
        seen, there = _upstream(manifest, key, inside), _upstream(manifest, key, None)
        if (there - seen) & inside:
            return False
        if key not in needs and any(needed <= there and not needed <= seen for needed in needs.values()):
            return False
    return True


def _is_test(manifest: Manifest, key: str) -> bool:
    return key in manifest.nodes and manifest.nodes[key].is_test


def _upstream(manifest: Manifest, key: str, inside: frozenset[str] | None) -> frozenset[str]:
    """Everything that a node reads: as a process with the nodes `inside` in full sees it, or (None) in the project."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        node = manifest.nodes.get(waiting.pop())
        for parent in node.parents if node is not None else ():
            if parent not in found:
                found.add(parent)
                known = manifest.nodes.get(parent)
                if inside is None or parent in inside or (known is not None and known.is_ephemeral):
                    waiting.append(parent)
    return frozenset(found)
