"""The DAGs of a project by astronomer-cosmos: `child_cosmos.py PROJECT one|per-domain`.

It reads the manifest and renders each test group after its model (its default); `per-domain` makes one DAG per folder.
"""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from dag_costs import report


def build() -> list[Any]:
    from cosmos import DbtDag, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
    from cosmos.constants import LoadMode

    project = Path(sys.argv[1])
    folders: list[str | None] = [None]
    if sys.argv[2] == "per-domain":
        import json

        nodes = json.loads((project / "target" / "manifest.json").read_text())["nodes"].values()
        folders = sorted({node["path"].split("/")[0] for node in nodes if node["resource_type"] == "model"})
    return [
        DbtDag(
            dag_id=f"{folder or 'shop'}__daily",
            schedule="@daily",
            start_date=datetime(2026, 1, 1),  # noqa: DTZ001  as its own examples
            catchup=False,
            project_config=ProjectConfig(manifest_path=project / "target" / "manifest.json", project_name="shop"),
            profile_config=ProfileConfig("shop", "dev", profiles_yml_filepath=project / "profiles.yml"),
            execution_config=ExecutionConfig(dbt_project_path=project),
            render_config=RenderConfig(
                load_method=LoadMode.DBT_MANIFEST, select=[] if folder is None else [f"path:models/{folder}"]
            ),
        )
        for folder in folders
    ]


if __name__ == "__main__":
    report(build)
