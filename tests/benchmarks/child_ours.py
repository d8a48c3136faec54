"""The DAGs of a project by this library: `child_ours.py PROJECT`."""

import sys
from typing import Any

from dag_costs import report


def build() -> list[Any]:
    from dbt_af_k8s.airflow import dbt_dags

    return list(dbt_dags(sys.argv[1]).values())


if __name__ == "__main__":
    report(build)
