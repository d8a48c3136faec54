"""What a script in a pod can ask about its run. Needs nothing but Python 3.8: import it, or copy this one file.

In a pod that dbt_af_k8s makes it is there under the name `dbt_af_k8s_pod`:

    from dbt_af_k8s_pod import PodContext
    pod = PodContext.from_env()
    rows = read(pod.ref("orders"), pod.start, pod.end)
    pod.write_result({"rows": len(rows)})
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class PodContext:
    """One run of one script."""

    #: The data interval, with time zone; None where the script runs outside of Airflow.
    start: datetime | None = None
    end: datetime | None = None
    #: Name of a ref (`orders`, `orders.v2`) or source (`shop.raw_orders`) -> relation, as SQL names it.
    refs: dict[str, str] = field(default_factory=dict)
    #: The relation that dbt gave the script's own model, if any.
    this: str | None = None
    #: The model's dbt config, `meta` included.
    config: dict[str, Any] = field(default_factory=dict)
    #: What the Airflow run was triggered with.
    dag_run_conf: dict[str, Any] = field(default_factory=dict)
    #: Where the result goes; None where nobody reads one.
    result_file: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> PodContext:
        """Read the environment of the pod; what is not in it stays empty, so that a script starts on a laptop too."""
        env = os.environ if env is None else env
        config = env.get("MODEL_CONFIG_B64")
        return cls(
            start=_moment(env.get("START_DTTM")),
            end=_moment(env.get("END_DTTM")),
            refs=json.loads(env.get("DBT_AF_REFS") or "{}"),
            this=env.get("DBT_AF_THIS") or None,
            config=json.loads(base64.b64decode(config).decode("utf-8")) if config else {},
            dag_run_conf=json.loads(env.get("DAG_RUN_CONF") or "{}"),
            result_file=env.get("DBT_AF_RESULT_FILE") or None,
        )

    def ref(self, name: str) -> str:
        """The relation of a ref. KeyError, with the names there are, for any other."""
        if name not in self.refs:
            known = ", ".join(sorted(self.refs)) or "none"
            raise KeyError(f"The script has no ref or source {name!r} in its dbt code. It has: {known}.")
        return self.refs[name]

    def source(self, source: str, table: str) -> str:
        """The relation of a source's table. KeyError, with the names there are, for any other."""
        return self.ref(f"{source}.{table}")

    def write_result(self, result: Any) -> bool:
        """Hand a result to Airflow (anything that JSON can hold), where XCom is on; whether it is.

        The file is there whole or not at all, for half a file fails the task. The last result counts.
        """
        if self.result_file is None:
            return False
        text = json.dumps(result)
        os.makedirs(os.path.dirname(self.result_file) or ".", exist_ok=True)
        unfinished = f"{self.result_file}.{os.getpid()}"
        with open(unfinished, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(unfinished, self.result_file)
        return True


def _moment(text: str | None) -> datetime | None:
    """A moment in ISO 8601; Python 3.8 knows no `Z`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
