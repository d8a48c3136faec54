"""Tasks for the scheduler tests: one that a test holds, fails or skips, and a sensor that does nothing."""

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException

from dbt_af_k8s.airflow.skips import skip_not_due


class Step(BaseOperator):
    """Takes a moment. Files in the control folder, named by DAG and logical date, hold it, fail it or skip it."""

    def execute(self, context: Any) -> None:
        """Do as the files say."""
        run = context["dag_run"]
        sign = control_file(Path(os.environ["WAIT_CONTROL"]), run.dag_id, run.logical_date)
        if sign.with_suffix(".fail").exists():
            raise AirflowFailException("as told")
        if sign.with_suffix(".skip").exists():
            skip_not_due(context, "as told")
        while sign.with_suffix(".hold").exists():
            time.sleep(0.1)
        time.sleep(0.2)


class BlindSensor(BaseSensorOperator):
    """A sensor that waits for nothing."""

    def poke(self, context: Any) -> bool:
        """Always content."""
        return True


def control_file(folder: Path, dag_id: str, logical_date: datetime | None) -> Path:
    """Where a test leaves word for a step; the suffix says what."""
    return folder / f"{dag_id}@{logical_date.strftime('%m-%dT%H%M') if logical_date else 'undated'}.x"
