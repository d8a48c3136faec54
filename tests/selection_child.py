"""Run by dbt's Python in a project's folder: parses once, then answers selections by dbt's own selectors.

It says when it has parsed. Then it reads a list of `{"select": [...] or null, "exclude": [...] or null}` and
`{"selector": NAME}` from standard input, and prints for each the unique_ids of all kinds, or `{"error": ...}`. With
`"ls": true` the command `dbt ls` itself answers.
"""

import json
import sys
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.compilation import Linker
from dbt.config.selectors import selector_config_from_data, selector_data_from_root
from dbt.graph import Graph, NodeSelector, parse_difference


def by_ls(manifest: Any, question: dict[str, Any]) -> list[str]:
    command = ["--quiet", "ls", "--output", "json", "--output-keys", "unique_id"]
    for option in ("select", "exclude", "selector"):
        if value := question.get(option):
            command += [f"--{option}", *([value] if isinstance(value, str) else value)]
    result = dbtRunner(manifest=manifest).invoke(command)
    if result.exception:
        raise result.exception
    return sorted(json.loads(line)["unique_id"] for line in result.result or [])


def main() -> None:
    parsed = dbtRunner().invoke(["--quiet", "parse", "--no-send-anonymous-usage-stats"])
    if parsed.exception:
        raise parsed.exception
    manifest = parsed.result
    linker = Linker()
    linker.link_graph(manifest)
    selector = NodeSelector(Graph(linker.graph), manifest, include_empty_nodes=True)
    named = selector_config_from_data(selector_data_from_root(".") or {})
    print("\nPARSED", flush=True)
    answers: list[Any] = []
    for question in json.load(sys.stdin):
        try:
            if question.get("ls"):
                answers.append(by_ls(manifest, question))
                continue
            if name := question.get("selector"):
                spec = named[name]["definition"]
            else:
                spec = parse_difference(question["select"], question.get("exclude"))
            answers.append(sorted(selector.get_selected(spec, warn_on_no_nodes=False)))
        except Exception as refused:  # noqa: BLE001 - whatever dbt answers is an answer
            answers.append({"error": f"{type(refused).__name__}: {refused}"})
    print("\nANSWERS" + json.dumps(answers))


if __name__ == "__main__":
    main()
