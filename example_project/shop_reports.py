"""Who refreshes the shop's dashboards; named in dbt_af_k8s.yml under `integrations.providers`.

A real shop calls its report server here. (Tableau needs no code: `provider: tableau`.) This one notes in
target/refreshed.txt what it would have asked for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbt_af_k8s.airflow import RefreshError

REFRESHED = Path(__file__).resolve().parent / "target" / "refreshed.txt"


class ReportServer:
    """A provider is anything with this one method."""

    def refresh(self, resource: Mapping[str, Any]) -> str:
        """Read one dashboard anew. `resource` is what stands under `refresh` of the exposure, and the exposure."""
        exposure = resource["exposure"]
        if not exposure["url"]:
            raise RefreshError(f"The exposure {exposure['name']} has no url, so nobody knows what to refresh.")
        told = f"{exposure['url']} reads its data anew, page {resource['page']}."
        REFRESHED.parent.mkdir(exist_ok=True)
        with REFRESHED.open("a", encoding="utf-8") as refreshed:
            refreshed.write(told + "\n")
        return told
