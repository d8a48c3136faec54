"""The seed operator that runs dbt only when the file is not the one that was loaded last."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbt_af_k8s.airflow.dbt_operator import DbtOperator, env_pairs, project_at
from dbt_af_k8s.airflow.skips import skip_not_due
from dbt_af_k8s.dbt.seed_file import seed_checksum
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id
from dbt_af_k8s.errors import UsageError

#: XCom of every load: what was loaded (`sha256`), into which dbt target, and when (`at`, ISO 8601 in UTC).
LOADED = "loaded"


class DbtSeedOnChangeOperator(DbtOperator):
    """Runs `dbt seed` when the seed's CSV, or the target, is another one than at the last load; else it is skipped.

    Arguments as for `DbtOperator`. What was loaded is kept in XCom with the run that loaded it. Tasks downstream that
    use the trigger rule `none_failed` go on after a skip. A task that is cleared loads the file whatever was loaded
    before; so does one whose file cannot be found.
    """

    @classmethod
    def for_seed(
        cls,
        *,
        task_id: str,
        project_dir: str | Path,
        seed: str,
        folder: str = "",
        target: str | None = None,
        profiles_dir: str | Path | None = None,
        executable: str | None = None,
        env: Mapping[str, str] | None = None,
        **base: Any,
    ) -> "DbtSeedOnChangeOperator":
        """The operator for a hand-written DAG.

        `seed` is a unique_id (`seed.shop.rates`), `folder` where its CSV lies below the project's `seed-paths`, with
        slashes. The other arguments are those of `DbtOperator.for_nodes`. Raises `UsageError` for what is no seed.
        """
        node = node_by_id(seed)
        if node.resource_type != "seed":
            raise UsageError(f"{seed!r} is no unique_id of a seed: it is written as `seed.shop.rates`.")
        fqn = (node.package, *(part for part in folder.split("/") if part), seed.split(".", 2)[2])
        invocation = DbtInvocation("seed", (replace(node, fqn=fqn),), target, executable=executable, env=env_pairs(env))
        return cls(task_id=task_id, invocation=invocation, project=project_at(project_dir, profiles_dir), **base)

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
                skip_not_due(
                    context,
                    f"{seed.unique_id} has not changed since it was loaded at {last['at']}. Clear this task to load it "
                    "all the same.",
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
