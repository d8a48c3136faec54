"""What importing the library brings with it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

#: Rooms that may import Airflow.
AIRFLOW_ROOMS = ("airflow",)
HEAVY = ("airflow", "dbt", "kubernetes", "sqlalchemy", "pandas", "igraph")

PROGRAM = """
import importlib, json, sys
for name in json.load(sys.stdin):
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_everything_but_the_airflow_room_imports_without_airflow_and_dbt(
    root: Path, sources: Mapping[str, str]
) -> None:
    names = [
        ".".join(("dbt_af_k8s", *PurePosixPath(path).with_suffix("").parts)).removesuffix(".__init__")
        for path in sources
        if PurePosixPath(path).parts[0] not in AIRFLOW_ROOMS
    ]
    argv = [sys.executable, "-c", PROGRAM]
    output = subprocess.run(argv, cwd=root, input=json.dumps(names), capture_output=True, text=True, check=True).stdout
    loaded = json.loads(output)
    assert "networkx" in loaded
    assert sorted(set(loaded) & set(HEAVY)) == []
