"""Templates become Jobs: `golden/` holds one folder per Job, `broken/` one per thing that can be wrong.

`UPDATE_GOLDENS=1` writes `expected.yml` and `expected.txt` anew; read the difference before it is committed. Never set
in CI.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes_schemas import VERSIONS, schema_errors

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.jobs.document import read_job
from dbt_af_k8s.jobs.run import JobRun, prepared_job
from dbt_af_k8s.jobs.yaml_out import to_yaml

GOLDEN = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.is_dir())
BROKEN = sorted(path for path in (Path(__file__).parent / "broken").iterdir() if path.is_dir())

Rendered = Callable[[Path], TemplateText]


def compare(text: str, expected: Path) -> None:
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.name)
def test_the_job_of_a_template(case: Path, rendered: Rendered, run: JobRun) -> None:
    job = prepared_job(read_job(rendered(case)), run, namespace="shop")
    compare(to_yaml(job), case / "expected.yml")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.name)
def test_the_job_is_one_for_kubernetes(case: Path, version: str, rendered: Rendered, run: JobRun) -> None:
    assert schema_errors(prepared_job(read_job(rendered(case)), run, namespace="shop"), version) == []


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_the_texts_for_a_broken_template(case: Path, rendered: Rendered) -> None:
    with pytest.raises(ProjectError) as failed:
        read_job(rendered(case))
    compare("".join(f"{issue}\n" for issue in failed.value.issues), case / "expected.txt")


LEAST = (
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n"
    "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}\n"
)


@pytest.mark.parametrize(
    "text",
    [
        f"{LEAST}---\n",
        f"{LEAST}---",
        f"{LEAST}--- # nothing more\n# really\n",
        f"---\n{LEAST}---\n---\n",
        f"---\n---\n{LEAST}...\n",
        f"# a comment\n---\n# and one\n---\n{LEAST}---\n\n...\n",
    ],
)
def test_an_empty_document_is_none(text: str) -> None:
    assert read_job(TemplateText(text, "job.yml")) == read_job(TemplateText(LEAST, "job.yml"))


@pytest.mark.parametrize("more", ["---\na: 1\n", "---\nnull\n", "---\n''\n", "---\n&a\n---\n*a\n"])
def test_a_second_document_is_told(more: str) -> None:
    with pytest.raises(ProjectError, match=r"several documents|This is not YAML"):
        read_job(TemplateText(LEAST + more, "job.yml"))


def test_lines_stay_where_they_are() -> None:
    with pytest.raises(ProjectError, match=r"not known.*\(line 4\)"):
        read_job(TemplateText(f"---\n---\n# x\nkin: Job\n{LEAST}---\n", "job.yml"))
