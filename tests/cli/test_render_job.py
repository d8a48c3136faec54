"""`dbt-af-k8s render` and `check` for a node whose target is a job template."""

import pytest
import yaml
from kubernetes_schemas import VERSIONS, schema_errors
from shop_on_disk import Shop

PROFILES = """
shop:
  target: dev
  outputs:
    dev: {type: duckdb}
    jobs: {type: kubernetes_job, template: job.yml, search_paths: [templates], namespace: etl,
           template_fields: {image: "shop/etl:1"}, volume_claim: {name: scratch, size: 1Gi}}
"""
TEMPLATE = """\
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ node.name | dns_label }}"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: main, image: "{{ image }}", args: ["{{ ds }}", "{{ volume_claim }}"]}
"""
INTERVAL = ("--start", "2026-03-01", "--end", "2026-03-02")


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    shop = empty_shop.model("orders").model("export_all", "orders", dbt_target="jobs")
    shop.nodes["model.shop.export_all"] |= {"language": "python", "raw_code": "pass\n"}
    shop.write()
    (shop.root / "profiles.yml").write_text(PROFILES)
    (shop.root / "templates").mkdir()
    (shop.root / "templates/job.yml").write_text(TEMPLATE)
    return shop


def test_the_claim_and_the_job(shop: Shop) -> None:
    result = shop.run("render", "export_all", *INTERVAL)
    assert result.exit_code == 0, result.output
    claim, job = yaml.safe_load_all(result.stdout)
    assert [schema_errors(each, version) for each in (claim, job) for version in VERSIONS] == [[]] * 4
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["2026-03-01", claim["metadata"]["name"]]


def test_a_broken_template_is_told_with_its_line(shop: Shop) -> None:
    (shop.root / "templates/job.yml").write_text(TEMPLATE.replace("image }}", "imgae }}"))
    result = shop.run("render", "export_all", *INTERVAL)
    assert result.exit_code != 0
    assert "Nothing is called 'imgae' here (line 9)" in result.output


def test_check_reads_the_template(shop: Shop) -> None:
    assert shop.run("check").exit_code == 0
    (shop.root / "templates/job.yml").write_text("a\n{% blok %}\n")
    broken = shop.run("check")
    assert broken.exit_code == 1
    assert "Encountered unknown tag 'blok' (line 2)" in " ".join(broken.output.split())
    (shop.root / "templates/job.yml").unlink()
    missing = shop.run("check")
    assert missing.exit_code == 0
    assert "The template 'job.yml' is not found here" in " ".join(missing.output.split())


def test_what_may_go_wrong_with_the_job_is_said_beside_it(shop: Shop) -> None:
    (shop.root / "templates/job.yml").write_text(
        TEMPLATE.replace("spec:\n", "spec:\n  ttlSecondsAfterFinished: 0\n", 1)
    )
    result = shop.run("render", "export_all", *INTERVAL)
    assert result.exit_code == 0
    assert "job-goes-too-soon" in result.stderr
    assert [each["kind"] for each in yaml.safe_load_all(result.stdout)] == ["PersistentVolumeClaim", "Job"]
