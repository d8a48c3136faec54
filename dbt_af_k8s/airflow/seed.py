"""The seed operator that runs dbt only when the file is not the one that was loaded last."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from dbt_af_k8s.airflow.dbt_operator import DbtOperator
from dbt_af_k8s.dbt.seed_file import seed_checksum

#: XCom of every load: what was loaded (`sha256`), into which dbt target, and when (`at`, ISO 8601 in UTC).
LOADED = "loaded"


class DbtSeedOnChangeOperator(DbtOperator):
    """Runs `dbt seed` when the seed's CSV, or the target, is another one than at the last load; else it is skipped.

    Arguments as for `DbtOperator`. What was loaded is kept in XCom with the run that loaded it. Tasks downstream that
    use the trigger rule `none_failed` go on after a skip. A task that is cleared loads the file whatever was loaded
    before; so does one whose file cannot be found.
    """

    def execute(self, context: Any) -> dict[str, Any]:
        """Compare, then load or skip."""
        ti = context["ti"]
        (seed,) = self.invocation.nodes
        checksum = seed_checksum(seed, self.project)
        loaded = {"sha256": checksum, "target": self.invocation.target}
        if checksum is None:
            self.log.warning("The CSV of %s is not found in the project, so the seed is loaded.", seed.unique_id)
        elif ti.try_number > 1:
            self.log.info("This is try %d: the seed is loaded, changed or not.", ti.try_number)
        elif (last := last_load(ti.xcom_pull(task_ids=ti.task_id, key=LOADED, include_prior_dates=True))) is not None:
            if {name: last.get(name) for name in loaded} == loaded:
                raise AirflowSkipException(
                    f"Skipped: {seed.unique_id} has not changed since it was loaded at {last['at']}. Clear this task "
                    "to load it all the same."
                )
            self.log.info("%s has changed since it was loaded at %s.", seed.unique_id, last["at"])
        result = super().execute(context)
        ti.xcom_push(key=LOADED, value={**loaded, "at": datetime.now(UTC).isoformat()})
        return result


def last_load(found: object) -> dict[str, Any] | None:
    """The latest of all loads that Airflow keeps; it hands out one, or a list in no order that means anything."""
    entries: Iterable[object] = found if isinstance(found, list | tuple) else (found,)
    loads = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("at"), str)]
    return max(loads, key=lambda load: str(load["at"]), default=None)
