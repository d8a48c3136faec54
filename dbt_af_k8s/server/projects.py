"""The dbt projects that the server may run: those of the settings, and those that an admin registered."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dbt_af_k8s.dbt.command import dbt_program
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.server.database import Database
from dbt_af_k8s.server.settings import ProjectSection, ServerConfig


@dataclass(frozen=True, slots=True)
class Project:
    """A dbt project, every path absolute."""

    name: str
    project_dir: Path
    profiles_dir: Path
    target: str | None
    #: Targets that a client may name; None: any.
    targets: tuple[str, ...] | None
    #: The dbt program: a path, or a name on the PATH.
    program: str
    is_warm: bool
    #: Macros of the root project that clients may call, by their plain names.
    macros: tuple[str, ...] = ()
    #: Whether the settings file has it, so that no client can remove it.
    is_fixed: bool = True


def check_folders(config: ServerConfig, folder: Path) -> None:
    """Raises `UsageError` that names every `dbt_project.yml` and folder of a profiles.yml that is not there."""
    missing = []
    for name, section in config.projects.items():
        file = folder / section.project_dir / "dbt_project.yml"
        if not file.is_file():
            missing.append(f"Project {name}: there is no {file.resolve()}.")
        if section.profiles_dir is not None and not (folder / section.profiles_dir).is_dir():
            missing.append(f"Project {name}: there is no folder {(folder / section.profiles_dir).resolve()}.")
    if missing:
        raise UsageError("\n".join(missing))


class Projects:
    """All of them, by name. Methods may be called from any thread."""

    def __init__(self, config: ServerConfig, folder: Path, database: Database) -> None:
        """`folder` is that of the settings file. Raises `UsageError` for a folder without `dbt_project.yml`."""
        self._folder = folder
        self._database = database
        self._roots = tuple((folder / root).resolve() for root in config.project_roots)
        self._fixed = {name: self._project(name, section, is_fixed=True) for name, section in config.projects.items()}
        self._lock = threading.Lock()

    def all(self) -> Mapping[str, Project]:
        """Every project by its name, in the order of the names."""
        with self._database.transaction() as cursor:
            rows = cursor.run("SELECT name, settings FROM project ORDER BY name")
        registered = {}
        for name, settings in rows:
            try:
                registered[name] = self._project(name, ProjectSection(**json.loads(settings)), is_fixed=False)
            except UsageError:
                # Its folder has gone: it cannot be run, and is not shown.
                continue
        return dict(sorted({**registered, **self._fixed}.items()))

    def find(self, name: str) -> Project | None:
        """One project, or None."""
        return self._fixed.get(name) or self.all().get(name)

    def of_request(self, project_dir: str | None) -> Project:
        """The project that `project_dir` of a request names, by name or folder; the only one where it is not given.

        Raises `UsageError`.
        """
        known = self._fixed if project_dir in self._fixed else self.all()
        if project_dir is None:
            if len(known) == 1:
                return next(iter(known.values()))
            raise UsageError(f"project_dir is missing; the server has the projects {', '.join(known)}.")
        if project_dir in known:
            return known[project_dir]
        for project in known.values():
            if "\0" not in project_dir and Path(project_dir) in (project.project_dir, project.project_dir.resolve()):
                return project
        raise UsageError(f"project_dir names no project of this server; it has {', '.join(known)}.")

    def register(self, name: str, project_dir: str, profiles_dir: str | None, target: str | None) -> Project:
        """Register a project below one of the roots. Raises `UsageError`."""
        folders = [Path(folder) for folder in (project_dir, profiles_dir) if folder is not None]
        if any("\0" in str(folder) for folder in folders):
            raise UsageError("A folder's name has a letter that none can have.")
        for folder in folders:
            if not any((self._folder / folder).resolve().is_relative_to(root) for root in self._roots):
                raise UsageError(f"The folder {folder} is not below one of the server's `project_roots`.")
        section = ProjectSection(project_dir=project_dir, profiles_dir=profiles_dir, target=target)
        project = self._project(name, section, is_fixed=False)
        with self._database.transaction() as cursor:
            if name in self._fixed or cursor.run("SELECT 1 FROM project WHERE name = ?", (name,)):
                raise UsageError(f"There is a project {name} already.")
            cursor.run("INSERT INTO project (name, settings) VALUES (?, ?)", (name, section.model_dump_json()))
        return project

    def remove(self, name: str) -> bool:
        """Remove a registered project; False where there is none that can be removed. Its files stay."""
        with self._database.transaction() as cursor:
            return cursor.count("DELETE FROM project WHERE name = ?", (name,)) > 0

    def _project(self, name: str, section: ProjectSection, *, is_fixed: bool) -> Project:
        project_dir = (self._folder / section.project_dir).resolve()
        if not (project_dir / "dbt_project.yml").is_file():
            raise UsageError(f"Project {name}: there is no {project_dir / 'dbt_project.yml'}.")
        profiles_dir = project_dir if section.profiles_dir is None else (self._folder / section.profiles_dir).resolve()
        executable = section.executable
        if executable is not None and "/" in executable and not executable.startswith("~"):
            executable = str((self._folder / executable).absolute())
        return Project(
            name,
            project_dir,
            profiles_dir,
            section.target,
            section.targets,
            dbt_program(executable),
            section.warm,
            section.macros,
            is_fixed,
        )
