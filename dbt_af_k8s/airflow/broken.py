"""The task of a domain that cannot be planned: it fails and says why, so that nobody waits for it in vain."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from dbt_af_k8s.errors import DbtAfK8sError, Issue


class BrokenDomainError(AirflowFailException, DbtAfK8sError):
    """The domain has errors that must be mended in the project. Airflow does not retry."""


class BrokenDomainOperator(BaseOperator):
    """Fails at once with every problem of its domain: where, what, and how to mend it."""

    ui_color = "#f6c9c9"

    def __init__(self, *, task_id: str, problems: Sequence[Issue], **base: Any) -> None:
        super().__init__(task_id=task_id, **base)
        self.problems = tuple(problems)

    def execute(self, context: Any) -> None:
        """Tell the problems, and fail."""
        text = "\n".join(str(problem) for problem in self.problems)
        for line in text.splitlines():
            self.log.error("%s", line)
        raise BrokenDomainError(f"This domain has {len(self.problems)} problem(s) and runs nothing:\n{text}")
