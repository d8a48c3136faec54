"""The dbt operator whose dbt runs behind an HTTP server, for hand-written DAGs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbt_af_k8s.airflow.dbt_operator import DbtOperator, batches_of
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id


class DbtApiOperator(DbtOperator):
    """Runs dbt on the nodes of one task by a dbt server: `dbt-af-k8s serve`, or one with the API of dbt's own.

    `nodes` are unique_ids as dbt shows them, one for the verbs `run`, `seed` and `snapshot`, one or more for `test`.
    `conn_id` names an Airflow connection of type HTTP: address, and login and password or, as a password alone, a
    bearer token. `server_project` is the project as the server calls it; None: its only one. `poke`,
    `request_timeout` and `patience` are in seconds, as in the settings of the runner `dbt_api`.

    The invocation has a name of its own for each try, so an answer that was lost starts nothing twice; a retry takes
    over what an earlier try lost and a task that is cleared starts anew. A task that is killed or out of time aborts
    it. `base` goes to `DbtOperator`.

    Result and errors are those of `DbtOperator`; what the server loses, or a server that stays out of reach, is a
    `DbtRetryError`, and what it refuses a `DbtFailedError`. `UsageError` for what is no unique_id.
    """

    def __init__(
        self,
        *,
        task_id: str,
        nodes: str | Sequence[str],
        verb: str = "run",
        target: str | None = None,
        microbatch: bool | Microbatch = False,
        conn_id: str = DbtApiOptions().conn_id,
        server_project: str | None = None,
        poke: int = DbtApiOptions().poke,
        request_timeout: int = DbtApiOptions().request_timeout,
        patience: int = DbtApiOptions().patience,
        deferrable: bool = True,
        **base: Any,
    ) -> None:
        unique_ids = (nodes,) if isinstance(nodes, str) else tuple(nodes)
        selected = tuple(node_by_id(unique_id) for unique_id in unique_ids)
        super().__init__(
            task_id=task_id,
            invocation=DbtInvocation(verb=verb, nodes=selected, target=target, microbatch=batches_of(microbatch)),
            # Nothing of the project is read here.
            project=DbtProject(Path()),
            runner=DbtApiOptions(conn_id, server_project, poke, request_timeout, patience, deferrable),
            **base,
        )
