"""The job operator before any cluster: arguments, search paths, what the template sees, what is shown."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.airflow

TEMPLATE = """\
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: shop/etl:1
          args: ["{{{{ ds }}}}", "{{{{ day }}}}", "{{{{ params.depth }}}}", "{{{{ shout('x') }}}}"]
          env: [{{name: DB_PASSWORD, value: "{{{{ password }}}}"}}]
"""


def operator(tmp_path: Path, template: str = "job.yml", **arguments: Any) -> Any:
    from airflow.sdk import DAG

    from dbt_af_k8s.airflow import KubernetesJobTemplateOperator

    (tmp_path / "more").mkdir(exist_ok=True)
    (tmp_path / "more/job.yml").write_text(TEMPLATE.format(name="more"), encoding="utf-8")
    (tmp_path / "own").mkdir(exist_ok=True)
    (tmp_path / "own/job.yml").write_text(TEMPLATE.format(name="own"), encoding="utf-8")
    dag = DAG(
        "shop",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        template_searchpath=[str(tmp_path / "more")],
        params={"depth": 3},
        user_defined_macros={"shout": str.upper},
    )
    fields = {"day": "{{ ds }}", "password": "hunter22"}
    return KubernetesJobTemplateOperator(
        task_id="export", template=template, template_fields=fields, dag=dag, **arguments
    )


def context() -> dict[str, Any]:
    instance = SimpleNamespace(dag_id="shop", task_id="export", run_id="manual__1", map_index=-1)
    return {"ds": "2026-03-01", "params": {"depth": 3}, "ti": instance}


@pytest.mark.parametrize(
    ("template", "search_paths", "name"),
    [("job.yml", [], "more"), ("job.yml", ["own"], "own"), ("own/job.yml", [""], "own"), ("FULL", [], "own")],
)
def test_where_a_template_is_found(tmp_path: Path, template: str, search_paths: list[str], name: str) -> None:
    full = str(tmp_path / "own/job.yml")
    paths = [str(tmp_path / path) for path in search_paths]
    task = operator(tmp_path, full if template == "FULL" else template, search_paths=paths)
    task.render_template_fields(context())
    assert f"name: {name}" in task.rendered


def test_the_template_sees_variables_macros_and_fields_and_secrets_are_masked(tmp_path: Path) -> None:
    written = tmp_path / "out/rendered.yml"
    task = operator(tmp_path, write_rendered_to=str(written.parent) + "/{{ 'rendered' }}.yml")
    task.render_template_fields(context())
    assert "- '2026-03-01'\n        - '2026-03-01'\n        - '3'\n        - X\n" in task.rendered
    assert "hunter22" not in task.rendered
    assert "***" in task.rendered
    assert "hunter22" in written.read_text(encoding="utf-8")
    assert written.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in written.parent.iterdir()] == ["rendered.yml"]


def test_a_broken_template_is_shown_and_fails_without_a_retry(tmp_path: Path) -> None:
    from dbt_af_k8s.airflow import JobRefusedError

    (tmp_path / "own").mkdir()
    task = operator(tmp_path, str(tmp_path / "own/broken.yml"))
    (tmp_path / "own/broken.yml").write_text("kind: {{ knid }}\n", encoding="utf-8")
    task.render_template_fields(context())
    assert "Nothing is called 'knid' here (line 1)" in task.rendered
    with pytest.raises(JobRefusedError, match="Nothing is called 'knid' here"):
        task.execute(context())


@pytest.mark.parametrize(
    "arguments", [{"on_kill_action": "stop"}, {"tail_logs": False, "tail_logs_every": 5}, {"tail_logs_line_count": 0}]
)
def test_arguments_that_cannot_be(tmp_path: Path, arguments: dict[str, Any]) -> None:
    from dbt_af_k8s.errors import UsageError

    with pytest.raises(UsageError):
        operator(tmp_path, **arguments)
