"""The operator that runs whatever a person selects in a form."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtOperator
from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.errors import FormError, ProjectError, UsageError
from dbt_af_k8s.plan.run_model_form import RunModelForm, read_run_model_form
from dbt_af_k8s.schedule.values import Interval


class DbtSelectionOperator(DbtOperator):
    """Runs `dbt run` on the selection of the run's form. Arguments as for `DbtOperator`; its nodes do not count.

    The form has `models`, `target`, `full_refresh` and `extra` besides the data interval. It is checked before dbt
    starts, everything that is wrong is told at once, and no part of it reaches a shell. The result lists the `nodes`
    that dbt ran; it is green when each of them is, and there is at least one.
    """

    def execute(self, context: Any) -> dict[str, Any]:
        """Read the form, run dbt and judge it."""
        interval, form = self._form(context)
        selection = form.selection
        invocation = self.invocation if form.target is None else replace(self.invocation, target=form.target)
        self.log.info("dbt %s --select %s %s", invocation.verb, " ".join(selection.select), " ".join(selection.options))
        found = self.start_dbt(
            context,
            interval,
            invocation,
            lambda run: run.run_selection(selection, start=interval.start, end=interval.end, on_line=self.tell),
        )
        return self.result_of(found, with_nodes=True)

    def _form(self, context: Mapping[str, Any]) -> tuple[Interval, RunModelForm]:
        problems: tuple[str, ...] = ()
        interval = None
        try:
            interval = self.interval(context)
        except UsageError as error:
            problems = (str(error),)
        try:
            form = read_run_model_form(context.get("params") or {}, self._profile(), problems)
        except (FormError, ProjectError) as error:
            raise DbtFailedError(str(error)) from None
        if interval is None:
            raise DbtFailedError(str(FormError(problems)))
        return interval, form

    def _profile(self) -> Profile:
        # Reading profiles takes libraries that a parse of the DAG file does not need.
        from dbt_af_k8s.config.read import read_dbt_project, read_profile

        root = self.project.project_dir
        environment = {**os.environ, **dict(self.invocation.env)}
        profile, _ = read_profile(
            read_dbt_project(root, env=environment).profile,
            project_dir=root,
            profiles_dir=self.project.profiles_dir,
            env=environment,
        )
        return profile
