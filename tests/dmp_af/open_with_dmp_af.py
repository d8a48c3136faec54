"""Open dbt projects with dmp-af and write its DAGs as JSON: run as a program, in the environment that has dmp-af.

`python open_with_dmp_af.py PROJECT NAME...`: of each name the manifest is `PROJECT/target/NAME.json`. The answer maps
each name to its DAGs (`{"schedule", "tasks": {task_id: {"upstream": [...], "waits_for": [dag_id, task_id] or null}}}`)
or to `{"fault": text}` where dmp-af does not open it; `#config` maps dmp-af's config classes to their fields.
"""

import json
import sys
from pathlib import Path

import attrs
from dmp_af.conf import config as conf
from dmp_af.dags import compile_dmp_af_dags

CLASSES = tuple(name for name in dir(conf) if attrs.has(getattr(conf, name)))


def config_of(project: Path) -> conf.Config:
    return conf.Config(
        dbt_project=conf.DbtProjectConfig(
            dbt_project_name="shop",
            dbt_models_path=project,
            dbt_project_path=project,
            dbt_profiles_path=project,
            dbt_target_path=project / "target",
            dbt_log_path=project / "logs",
            dbt_schema="main",
        ),
        dbt_default_targets=conf.DbtDefaultTargetsConfig(default_target="daily"),
    )


def dags_of(project: Path, name: str) -> dict:
    dags = compile_dmp_af_dags(str(project / "target" / f"{name}.json"), config_of(project))
    return {
        dag_id: {
            "schedule": None if dag.schedule is None else str(dag.schedule),
            "tasks": {
                task.task_id: {
                    "upstream": sorted(task.upstream_task_ids),
                    "waits_for": [task.external_dag_id, task.external_task_id]
                    if hasattr(task, "external_dag_id")
                    else None,
                }
                for task in dag.tasks
            },
        }
        for dag_id, dag in dags.items()
    }


def main() -> None:
    project = Path(sys.argv[1])
    found: dict = {"#config": {name: [a.name for a in attrs.fields(getattr(conf, name))] for name in CLASSES}}
    for name in sys.argv[2:]:
        try:
            found[name] = dags_of(project, name)
        except Exception as fault:  # noqa: BLE001  whatever it is, it is what dmp-af says of the project
            found[name] = {"fault": f"{type(fault).__name__}: {fault}"}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
