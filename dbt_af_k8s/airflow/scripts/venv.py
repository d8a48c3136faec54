"""Scripts in a Python environment of their own on the worker."""

import os
import tempfile
from pathlib import Path
from typing import Any

from dbt_af_k8s.airflow.scripts.local import ScriptOnWorker
from dbt_af_k8s.airflow.scripts.run import ScriptCalendar
from dbt_af_k8s.airflow.scripts.venv_cache import VenvMaker
from dbt_af_k8s.plan.scripts import VenvPlan

#: Variables without which a process does not find its way, whatever it may see of the worker.
_ALWAYS = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


class DbtVenvOperator(ScriptOnWorker):
    """Runs a script in a Python environment with the requirements of a `venv` target.

    The environment is made once for the same requirements, Python and options, in the cache folder of the worker
    (`DBT_AF_K8S_CACHE_DIR`, else `~/.cache/dbt_af_k8s`), under a lock, and used again by every later task. The
    result is what the script writes to its result file.
    """

    def __init__(self, *, task_id: str, venv: VenvPlan, calendar: ScriptCalendar, **base: Any) -> None:
        where = f"in the venv of target {venv.target.name}"
        super().__init__(task_id=task_id, node=venv.payload.node, where=where, calendar=calendar, **base)
        self.venv = venv

    def execute(self, context: Any) -> Any:
        """Make the environment where there is none yet, run the script, judge its end."""
        from dbt_af_k8s.pods.local import venv_script

        target, payload = self.venv.target, self.venv.payload
        run = self.run_of(context)
        python = VenvMaker(target, os.environ, self.run_in, self.log).python()
        inherited = dict(os.environ) if target.inherit_env else {n: os.environ[n] for n in _ALWAYS if n in os.environ}
        with tempfile.TemporaryDirectory(prefix="dbt_af_k8s_result_", ignore_cleanup_errors=True) as folder:
            result = Path(folder) / "return.json"
            script = venv_script(target, payload, run, result_file=str(result))
            ended = self.run_process((str(python), *script.args), {**inherited, **dict(script.env)})
            self.judge(ended, is_worth_a_retry=False)
            return self.result_in(result)
