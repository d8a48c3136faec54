"""The refs of a manifest as the proof sees them: parents, depth, and where each test belongs. Its own reading."""

from collections.abc import Iterable, Mapping, Sequence

from dbt_af_k8s.manifest.values import Manifest, Node

_NOT_BLOCKING_TAGS = ("@medium", "@large")


class Refs:
    """Which tasks' nodes each node and each test is built from, ephemeral models replaced by their parents."""

    def __init__(self, manifest: Manifest) -> None:
        self.nodes: Mapping[str, Node] = manifest.nodes
        built = {key: node for key, node in manifest.nodes.items() if node.is_runnable or node.is_ephemeral}
        raw = {key: [parent for parent in node.parents if parent in built] for key, node in built.items()}
        order = _cut_and_order(raw)
        self._depth: dict[str, int] = {}
        behind: dict[str, frozenset[str]] = {}
        for key in order:
            self._depth[key] = max((self._depth[parent] + 1 for parent in raw[key]), default=0)
            behind[key] = _contracted(raw[key], built, behind)
        self._parents = behind
        self._built = built
        self._source_ids = frozenset(manifest.sources)
        self._read: dict[str, frozenset[str]] = {}
        for key in order:
            self._read[key] = self.sources(key)

    def parents(self, key: str) -> frozenset[str]:
        """The nodes with a task that a node or test comes after."""
        node = self.nodes[key]
        return _contracted(node.parents, self._built, self._parents) if node.is_test else self._parents[key]

    def behind(self, parents: Iterable[str]) -> frozenset[str]:
        """The nodes with a task that stand behind any parents, ephemeral models replaced by theirs."""
        return _contracted(parents, self._built, self._parents)

    def depth(self, key: str) -> int:
        """Length of the longest path of refs to a node, ephemeral models included."""
        return self._depth[key]

    def sources(self, key: str) -> frozenset[str]:
        """The sources that a node or test reads, itself or through ephemeral models."""
        found: set[str] = set()
        for parent in self.nodes[key].parents:
            if parent in self._source_ids:
                found.add(parent)
            elif parent in self._built and self._built[parent].is_ephemeral:
                found.update(self._read.get(parent, ()))
        return frozenset(found)

    def placed_with_source(self, test: str) -> str | None:
        """The last source by id of a test that reads nothing but sources; None for other tests."""
        return max(self.sources(test), default=None) if not self.parents(test) else None

    def blocks(self, test: str) -> bool:
        """Whether what is downstream of its node waits for a test: the small ones, which bear no tag of a size."""
        return not any(tag in self.nodes[test].tags for tag in _NOT_BLOCKING_TAGS)


def _contracted(
    parents: Iterable[str], built: Mapping[str, Node], behind: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    found: set[str] = set()
    for parent in parents:
        if parent in built:
            found.update(behind[parent] if built[parent].is_ephemeral else (parent,))
    return frozenset(found)


def _cut_and_order(raw: dict[str, list[str]]) -> Sequence[str]:
    """The keys in an order in which parents come first. Edges inside a circle are cut: such nodes are never planned."""
    order, rest = _kahn(raw)
    if not rest:
        return order
    circle = _circles({key: [parent for parent in raw[key] if parent in rest] for key in rest})
    for key in rest:
        raw[key] = [parent for parent in raw[key] if circle.get(parent) != circle[key]]
    return _kahn(raw)[0]


def _kahn(raw: Mapping[str, Sequence[str]]) -> tuple[Sequence[str], frozenset[str]]:
    children: dict[str, list[str]] = {key: [] for key in raw}
    open_parents = {key: len(parents) for key, parents in raw.items()}
    for key, parents in raw.items():
        for parent in parents:
            children[parent].append(key)
    ready = [key for key, count in open_parents.items() if count == 0]
    order = []
    while ready:
        key = ready.pop()
        order.append(key)
        for child in children[key]:
            open_parents[child] -= 1
            if open_parents[child] == 0:
                ready.append(child)
    return order, frozenset(raw).difference(order)


def _circles(raw: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
    """Each node's circle (strongly connected component) by one of its nodes; Kosaraju's way, without recursion."""
    children: dict[str, list[str]] = {key: [] for key in raw}
    for key, parents in raw.items():
        for parent in parents:
            children[parent].append(key)
    finished: list[str] = []
    seen: set[str] = set()
    for root in sorted(raw):
        stack = [(root, False)]
        while stack:
            key, is_done = stack.pop()
            if is_done:
                finished.append(key)
            elif key not in seen:
                seen.add(key)
                stack.append((key, True))
                stack.extend((child, False) for child in children[key])
    circle: dict[str, str] = {}
    for root in reversed(finished):
        todo = [root] if root not in circle else []
        while todo:
            key = todo.pop()
            if key not in circle:
                circle[key] = root
                todo.extend(raw[key])
    return circle
