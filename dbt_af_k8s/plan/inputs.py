"""All that a plan is made from, read and checked: the one argument of `plan.build.build_plan`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbt_af_k8s.config.dbt_project import RESOURCE_PATHS
from dbt_af_k8s.config.settings import Profile, Settings
from dbt_af_k8s.errors import Issue
from dbt_af_k8s.manifest.values import Manifest


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """A project as values."""

    #: `name` of dbt_project.yml.
    project: str
    manifest: Manifest
    settings: Settings
    profile: Profile
    #: dbt's `--target`: stands before every default, after what a node or a purpose names.
    target: str | None = None
    #: Folder of dbt's artefacts, relative to the project.
    target_path: str = "target"
    #: Folders that dbt reads resources from, relative to the project.
    resource_paths: tuple[str, ...] = RESOURCE_PATHS
    #: Issues found while reading; those without a node concern the project as a whole.
    issues: tuple[Issue, ...] = ()
    #: Name of the settings file, for issues about settings.
    settings_file: str = "dbt_af_k8s.yml"
    #: unique_id -> seconds that dbt took for the node in recorded runs.
    run_times: Mapping[str, float] = field(default_factory=dict)
