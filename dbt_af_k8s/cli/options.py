"""The options that every command takes, in dbt's own words, and the project that they name."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dbt_af_k8s.plan.build import Build
    from dbt_af_k8s.plan.request import PlanRequest

ProjectDir = Annotated[
    Path, typer.Option("--project-dir", envvar="DBT_PROJECT_DIR", help="Folder of dbt_project.yml.", metavar="DIR")
]
ProfilesDir = Annotated[
    Path | None,
    typer.Option(
        "--profiles-dir",
        envvar="DBT_PROFILES_DIR",
        help="Folder of profiles.yml. Default: where dbt looks for it.",
        metavar="DIR",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target", "-t", envvar="DBT_TARGET", help="dbt target instead of the profile's own.", metavar="NAME"
    ),
]
ManifestFile = Annotated[
    Path | None,
    typer.Option("--manifest", help="Default: manifest.json in the project's target folder.", metavar="FILE"),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings. Default: the project's dbt_af_k8s.yml, if any.", metavar="FILE"),
]


class Format(StrEnum):
    """How a command writes what it found: for people, or for machines."""

    TEXT = "text"
    JSON = "json"


TextOrJson = Annotated[Format, typer.Option("--format", help="For people or for machines.")]

HERE = Path()


@dataclass(frozen=True, slots=True)
class Where:
    """The project that a command line names."""

    project_dir: Path
    profiles_dir: Path | None = None
    target: str | None = None
    manifest: Path | None = None
    config: Path | None = None

    def request(self) -> "PlanRequest":
        """The same for the plan, every path absolute."""
        from dbt_af_k8s.plan.request import PlanRequest

        return PlanRequest(
            project_dir=self.project_dir.absolute(),
            manifest=_absolute(self.manifest),
            profiles_dir=None if self._is_from_environment() else _absolute(self.profiles_dir),
            target=self.target,
            config=_absolute(self.config),
        )

    def _is_from_environment(self) -> bool:
        """Whether DBT_PROFILES_DIR names the folder: then a DAG file finds it as well, and has the same request."""
        named = os.environ.get("DBT_PROFILES_DIR", "")
        return Path(named).is_absolute() and self.profiles_dir == Path(named)

    def build(self) -> "Build":
        """Plan the project. Raises ProjectError where it cannot be read."""
        from dbt_af_k8s.plan.project import build_project

        return build_project(self.request(), os.environ)


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path is not None else None
