"""The situations as one dbt project on disk, in dbt-af's layout: `<situation>/dbt/models/<domain>/<node>.sql`.

One project, so that dbt parses once; a manifest for each situation is cut out of dbt's. Names are unique in a dbt
project, so nodes are called `<situation>__<name>` there.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from situations import CLUSTERS, TARGETS

from dbt_af_k8s.manifest.values import Node, Source

PROFILE = {"target": "daily", "outputs": {name: {"type": "duckdb"} for name in TARGETS.target_types}}


def write_project(root: Path, situations: Mapping[str, tuple[Node | Source, ...]]) -> Path:
    """Write the files and let dbt parse them."""
    plus = {f"+{name}": target for name, target in CLUSTERS.items()}
    kinds = {"model": "models", "seed": "seeds", "snapshot": "snapshots"}
    _yaml(root / "profiles.yml", {"shop": PROFILE})
    _yaml(
        root / "dbt_project.yml",
        {
            "name": "shop",
            "version": "1.0",
            "profile": "shop",
            **{f"{kind}-paths": [f"{name}/dbt/{folder}" for name in situations] for kind, folder in kinds.items()},
            **dict.fromkeys(kinds.values(), plus),
        },
    )
    for name, entries in situations.items():
        _write_situation(root / name / "dbt", name, entries)
    dbt = str(Path(sys.executable).with_name("dbt"))
    subprocess.run([dbt, "parse", "--quiet", "--no-partial-parse", "--profiles-dir", "."], cwd=root, check=True)
    whole = json.loads((root / "target" / "manifest.json").read_text())
    for name in situations:
        (root / "target" / f"{name}.json").write_text(json.dumps(_cut(whole, name)))
    return root


def _write_situation(home: Path, situation: str, entries: Iterable[Node | Source]) -> None:
    tests: dict[str, list[dict[str, Any]]] = {}
    models: dict[str, str] = {}
    for entry in entries:
        folder = entry.file.split("/", 1)[1].rsplit("/", 1)[0]
        if isinstance(entry, Source):
            limits = {"freshness": dict(entry.freshness or {}), "loaded_at_field": entry.loaded_at_field}
            table = {"name": entry.name, "config": limits}
            _yaml(home / "models" / entry.file.split("/", 1)[1], {"sources": [{"name": "raw", "tables": [table]}]})
        elif entry.is_test:
            tests.setdefault(entry.parents[-1], []).append(_test(situation, entry))
        else:
            models[entry.unique_id] = folder
            _write_node(home, situation, entry)
    for parent, found in tests.items():
        folder, name = models.get(parent, "a"), parent.rsplit(".", 1)[1]
        if parent.startswith("source."):
            file = home / "models" / folder / "sources.yml"
            written = yaml.safe_load(file.read_text())
            written["sources"][0]["tables"][0]["columns"] = [{"name": "at", "data_tests": found}]
            _yaml(file, written)
        else:
            columns = [{"name": "id", "data_tests": found}]
            kind = {"seed": "seeds", "snapshot": "snapshots"}.get(parent.split(".", 1)[0], "models")
            described = {kind: [{"name": f"{situation}__{name}", "columns": columns}]}
            # dmp-af finds the model of a medium test by the name of the file.
            _yaml(home / kind / folder / f"{situation}__{name}.yml", described)


def _write_node(home: Path, situation: str, node: Node) -> None:
    config = {key: value for key, value in node.config.items() if key != "meta" and key not in CLUSTERS}
    if isinstance(dependencies := config.get("dependencies"), Mapping):
        config["dependencies"] = {f"{situation}__{name}": value for name, value in dependencies.items()}
    reads = ", ".join(_reading(situation, parent) for parent in node.parents)
    query = f"select 1 as id /* {reads} */"
    name = f"{situation}__{node.name}"
    file = home / node.file.rsplit("/", 1)[0] / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if node.resource_type == "seed":
        file.with_suffix(".csv").write_text("id\n1\n")
    elif node.resource_type == "snapshot":
        config |= {"unique_key": "id", "strategy": "check", "check_cols": "all"}
        block = f"{{% snapshot {name} %}}{{{{ config(**{config!r}) }}}} {query}{{% endsnapshot %}}"
        file.with_suffix(".sql").write_text(block)
    else:
        config |= {"materialized": "table"}
        file.with_suffix(".sql").write_text(f"{{{{ config(**{config!r}) }}}} {query}\n")


def _reading(situation: str, parent: str) -> str:
    kind, _, rest = parent.split(".", 2)
    if kind == "source":
        return "{{ source(%r, %r) }}" % tuple(rest.split("."))  # noqa: UP031  braces
    return f"{{{{ ref('{situation}__{rest}') }}}}"


def _test(situation: str, node: Node) -> dict[str, Any]:
    shared = {"name": f"{situation}__{node.name}", "config": {"tags": list(node.tags)}}
    if len(node.parents) == 1:
        return {"not_null": shared}
    other = node.parents[0].rsplit(".", 1)[1]
    return {"relationships": {**shared, "arguments": {"to": f"ref('{situation}__{other}')", "field": "id"}}}


def _cut(whole: Mapping[str, Any], situation: str) -> dict[str, Any]:
    """The manifest of one situation: its nodes and sources, everything else as it is."""
    cut = dict(whole)
    for part in ("nodes", "sources"):
        cut[part] = {
            key: entry
            for key, entry in sorted(whole[part].items())
            if entry["original_file_path"].startswith(f"{situation}/")
        }
    inside = {*cut["nodes"], *cut["sources"]}
    for part in ("parent_map", "child_map"):
        cut[part] = {key: value for key, value in whole[part].items() if key in inside}
    return cut


def _yaml(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False))
