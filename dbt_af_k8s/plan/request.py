"""Which project to plan, as one value. Light to import: a DAG file is read every few seconds."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbt_af_k8s.config.written import Config


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Which project to plan, and what stands in for its own files and settings."""

    project_dir: Path
    #: None: `manifest.json` in the project's target folder.
    manifest: Path | None = None
    #: None: dbt's own search order.
    profiles_dir: Path | None = None
    target: str | None = None
    #: A settings file, settings made in Python, or None: `dbt_af_k8s.yml` of the project where there is one.
    config: "Path | Config | None" = None
    #: Replace `select` and `exclude` of the settings; None: as the settings say.
    select: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None

    @property
    def fingerprint(self) -> str:
        """What tells this request from another one of the same project: 16 hex digits, without any path of it."""
        config = self.config
        asked = {
            "manifest": self._inside(self.manifest),
            "profiles_dir": self._inside(self.profiles_dir),
            "target": self.target,
            "config": self._inside(config) if config is None or isinstance(config, Path) else _written(config),
            "select": self.select,
            "exclude": self.exclude,
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]

    def _inside(self, path: Path | None) -> str | None:
        """A path as seen from the project where it lies inside, so that a project may be moved with its plan."""
        if path is None:
            return None
        return path.relative_to(self.project_dir).as_posix() if path.is_relative_to(self.project_dir) else str(path)


def _written(config: "Config") -> str:
    """A `Config` as text. Things to call stand for themselves: the plan knows them by their key only."""
    return config.model_dump_json(fallback=lambda _: "made in Python")
