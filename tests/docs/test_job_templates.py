"""The job templates of the documentation make Jobs that Kubernetes takes."""

import pytest
from kubernetes_schemas import VERSIONS, schema_errors
from pages import DOCS, Block, read_page

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.jobs.document import read_job
from dbt_af_k8s.jobs.run import JobRun, prepared_job
from dbt_af_k8s.jobs.template import render_template

BLOCKS = [block for block in read_page(DOCS / "how-to/kubernetes-jobs.md").blocks() if block.language == "jinja"]
VARIABLES = {
    "ds": "2026-03-01",
    "regions": ["north", "south"],
    "volume_claim": "scratch-1a2b3c4d",
    "image": "shop/etl:7",
    "memory": "2Gi",
    "node": {"name": "orders_export"},
    "start_dttm": "2026-03-01",
    "end_dttm": "2026-03-02",
    "refs": {"payments": '"shop"."main"."payments"'},
}


def test_there_are_some() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_the_template_makes_a_job(block: Block) -> None:
    rendered = render_template("job.yml", lambda name: TemplateText(block.text, name), VARIABLES)
    job = prepared_job(read_job(rendered), JobRun("exports", "export", "manual__1"), namespace="shop")
    assert [schema_errors(job, version) for version in VERSIONS] == [[], []]
