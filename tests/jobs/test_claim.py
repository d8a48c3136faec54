"""The claim of a job."""

import pytest
from kubernetes_schemas import VERSIONS, schema_errors

from dbt_af_k8s.jobs.claim import claim_name, claim_object
from dbt_af_k8s.jobs.run import JobRun
from dbt_af_k8s.jobs.values import VolumeClaim


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "claim", [VolumeClaim("scratch", "10Gi"), VolumeClaim("x" * 63, "1T", "fast", ("ReadWriteMany",))]
)
def test_the_claim_is_one_for_kubernetes(claim: VolumeClaim, version: str, run: JobRun) -> None:
    assert schema_errors(claim_object(claim, run, namespace="shop"), version) == []


def test_each_run_has_its_own_claim_and_a_kept_one_is_for_all() -> None:
    own, kept = VolumeClaim("scratch", "10Gi"), VolumeClaim("scratch", "10Gi", keep=True)
    assert claim_name(own, "d", "1") != claim_name(own, "d", "2")
    assert claim_name(own, "d", "1").startswith("scratch-")
    assert claim_name(kept, "d", "1") == claim_name(kept, "d", "2") == "scratch"
    assert len(claim_name(VolumeClaim("x" * 63, "1Gi"), "d", "1")) == 63
