"""Whether the plan of a project has what a one-time job asks for. Pure."""

from collections.abc import Iterator

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.config.wording import choose_from
from dbt_af_k8s.errors import FormError, ProjectError, error
from dbt_af_k8s.plan.backfill.choice import choose_nodes
from dbt_af_k8s.plan.build import Build
from dbt_af_k8s.plan.one_time.values import Asked
from dbt_af_k8s.plan.values import DagKind


def check_against_plan(asked: Asked, built: Build, *, file: str) -> None:
    """Raise `ProjectError` where the project has no such DAG, or the models select nothing in it."""
    found = list(_findings(asked, built))
    if found:
        raise ProjectError(
            error("bad-one-time-job", each.message, each.fix, file=file, key=each.key or None) for each in found
        )


def _findings(asked: Asked, built: Build) -> Iterator[Finding]:
    dags = {dag.dag_id: dag for dag in built.plan.dags}
    dag = dags.get(asked.dag_id)
    if dag is None:
        message = f"The project has no DAG `{asked.dag_id}`."
        yield Finding(("dag",), "wrong", message, choose_from(asked.dag_id, sorted(dags)))
        return
    if dag.kind is not DagKind.BACKFILL:
        for key, is_given in (("models", bool(asked.models)), ("with_tests", asked.with_tests)):
            if is_given:
                message = f"`{key}` is for backfill DAGs: `{asked.dag_id}` runs all that it holds."
                yield Finding((key,), "wrong", message, f"Remove it, or name the domain: `domain: {dag.domain}`.")
        return
    members = {node for task in dag.tasks for node in task.nodes}
    try:
        choose_nodes(built, dag.domain, members, asked.models, with_tests=asked.with_tests)
    except FormError as failed:
        for problem in failed.problems:
            yield Finding(("models",), "wrong", problem, "`dbt-af-k8s backfill plan` shows what a selection would run.")
