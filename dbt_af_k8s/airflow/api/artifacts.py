"""dbt's manifest and results of an invocation, from a server that keeps them."""

from pathlib import Path

from dbt_af_k8s.airflow.api.address import ApiError
from dbt_af_k8s.airflow.api.client import ApiClient
from dbt_af_k8s.airflow.integrations.artifacts import FILES

#: Says to our own server that whole files are wanted: of a run from slices the manifest would be the slices. To dbt it
#: says what is so anyway.
WHOLE_FILES = ("--write-json",)


def fetch_artifacts(client: ApiClient, name: str, folder: Path) -> str | None:
    """Write an invocation's manifest and results into a folder. Why they are not there, for a person, else None.

    That dbt ended before it wrote any is no fault of the server's, and is not told.
    """
    try:
        kept = client.artifacts(name)
        if kept is None:
            return "The dbt server keeps no artefacts of its invocations, so none are sent."
        if FILES["run_results"] not in kept:
            return None
        missing = next((file for file in FILES.values() if file not in kept), None)
        if missing is not None:
            return f"The dbt server has not kept {missing} of {name}; `limits.artifact_bytes` is the largest it keeps."
        for file in FILES.values():
            client.download(name, file, folder / file)
    except ApiError as fault:
        return f"dbt's artefacts cannot be had: {fault}"
    return None
