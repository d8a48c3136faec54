"""The DAGs of a project by dmp-af, dbt-af's successor for Airflow 3: `child_dmp_af.py PROJECT`."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from dag_costs import report


def build() -> list[Any]:
    from dmp_af.conf import Config, DbtDefaultTargetsConfig, DbtProjectConfig
    from dmp_af.dags import compile_dmp_af_dags

    project = Path(sys.argv[1])
    config = Config(
        dbt_project=DbtProjectConfig(
            dbt_project_name="shop",
            dbt_project_path=project,
            dbt_models_path=project / "models",
            dbt_profiles_path=project,
            dbt_target_path=project / "target",
            dbt_log_path=project / "logs",
            dbt_schema="main",
        ),
        dbt_default_targets=DbtDefaultTargetsConfig(default_target="dev"),
        dag_start_date=datetime(2026, 1, 1),  # noqa: DTZ001  as its own examples
    )
    return list(compile_dmp_af_dags(str(project / "target" / "manifest_dmp_af.json"), config).values())


if __name__ == "__main__":
    report(build)
