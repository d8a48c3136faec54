"""What the workload identity of a cloud adds to a pod.

Sources: https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html,
https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html and
https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
"""

from typing import Any

from dbt_af_k8s.pods.values import WorkloadIdentity
from dbt_af_k8s.pods.written import AwsWritten, WorkloadIdentityWritten

_AWS_VOLUME = "aws-iam-token"
_AWS_FOLDER = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


def workload_identity(written: WorkloadIdentityWritten) -> WorkloadIdentity:
    """Labels, annotations, node selector, variables and the token's volume, of all clouds that are asked for."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    if written.azure is not None:
        labels["azure.workload.identity/use"] = "true"
        if written.azure.token_expiration is not None:
            key = "azure.workload.identity/service-account-token-expiration"
            annotations[key] = str(written.azure.token_expiration)
    selector = {}
    if written.gke is not None and written.gke.metadata_server:
        selector["iam.gke.io/gke-metadata-server-enabled"] = "true"
    env, volumes, mounts = _aws(written.aws)
    return WorkloadIdentity(labels, annotations, selector, env, volumes, mounts)


def _aws(
    written: AwsWritten | None,
) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    """The same that EKS's webhook adds, which leaves a container alone that has it; without a role, nothing."""
    if written is None or written.role_arn is None:
        return (), (), ()
    env = [
        {"name": "AWS_ROLE_ARN", "value": written.role_arn},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": f"{_AWS_FOLDER}/token"},
    ]
    if written.region is not None:
        env += [{"name": name, "value": written.region} for name in ("AWS_DEFAULT_REGION", "AWS_REGION")]
    token = {"audience": written.audience, "expirationSeconds": written.token_expiration, "path": "token"}
    volume = {"name": _AWS_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}
    mount = {"name": _AWS_VOLUME, "mountPath": _AWS_FOLDER, "readOnly": True}
    return tuple(env), (volume,), (mount,)
