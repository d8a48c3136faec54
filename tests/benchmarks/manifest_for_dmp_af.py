"""The same manifest as dmp-af wants it: `manifest_for_dmp_af.py TARGET_FOLDER`.

It opens no project whose models lack the four names of clusters, and reads the domain of a test from the fourth part of
its fqn, where the layout of its own projects has it.
"""

import json
import sys
from pathlib import Path

_CLUSTERS = {"py_cluster": "dev", "sql_cluster": "dev", "daily_sql_cluster": "dev", "bf_cluster": "dev"}


def main(target: Path) -> None:
    """Write `manifest_dmp_af.json` beside manifest.json."""
    manifest = json.loads((target / "manifest.json").read_text())
    for node in manifest["nodes"].values():
        node["config"].update(_CLUSTERS)
        if node["resource_type"] == "test":
            project, *rest = node["fqn"]
            node["fqn"] = [project, "dbt", "models", *rest]
    (target / "manifest_dmp_af.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
