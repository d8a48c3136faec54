"""The one place of this room that touches the disk. The environment comes in as a mapping."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from dbt_af_k8s.config.dbt_project import DbtProjectFile, parse_dbt_project
from dbt_af_k8s.config.parse import parse_config
from dbt_af_k8s.config.profiles import parse_profile
from dbt_af_k8s.config.run_times import RUN_TIMES_FILE, RunTimes, parse_run_times, unreadable_run_times
from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.config.yaml_text import MOST_BYTES, YamlFile, duplicate_errors, load_yaml
from dbt_af_k8s.errors import Issue, ProjectError, error, name_of_file, quoted, warning

#: Name of the settings file; the second spelling is taken as well.
SETTINGS_FILES = ("dbt_af_k8s.yml", "dbt_af_k8s.yaml")


def read_settings(path: Path | None, *, project_dir: Path) -> tuple[Config, str, tuple[Issue, ...]]:
    """Read the settings, and tell the file's name for messages.

    Without `path` it is `dbt_af_k8s.yml` in the project; without that all defaults. A file that is named must exist.
    With an error among the issues the `Config` holds what is right and is not good for planning.
    """
    if path is None:
        there = [project_dir / name for name in SETTINGS_FILES if (project_dir / name).exists()]
        if not there:
            return Config(), SETTINGS_FILES[0], ()
        if len(there) > 1:
            message = f"Both {SETTINGS_FILES[0]} and {SETTINGS_FILES[1]} are in the project."
            both = error("two-settings-files", message, "Keep one of them.", file=SETTINGS_FILES[0])
            return Config(), SETTINGS_FILES[0], (both,)
        path = there[0]
    file = name_of_file(path, project_dir)
    try:
        found = _yaml(path, file, missing="There is no such settings file.", fix="Name another one with --config.")
    except ProjectError as failed:
        return Config(), file, failed.issues
    config, issues = parse_config(found.mapping, file=file)
    return config, file, (*duplicate_errors(found, file=file), *issues)


def settings_files(project_dir: Path) -> tuple[Path, ...]:
    """Where a project's settings are looked for."""
    return tuple(project_dir / name for name in SETTINGS_FILES)


def run_times_file(project_dir: Path) -> Path:
    """Where a project's recorded run times are, if it has any."""
    return project_dir / RUN_TIMES_FILE


def read_run_times(project_dir: Path) -> RunTimes:
    """Read the recorded run times; none where there is no file, and a warning where it is not good."""
    try:
        return parse_run_times(run_times_file(project_dir).read_text("utf-8"))
    except FileNotFoundError:
        return RunTimes({})
    except (OSError, UnicodeDecodeError) as failed:
        return unreadable_run_times(getattr(failed, "strerror", None) or "it is not UTF-8 text")


def profiles_files(project_dir: Path, profiles_dir: Path | None, env: Mapping[str, str]) -> tuple[Path, ...]:
    """Where dbt's profiles.yml is looked for; see `read_profile`."""
    return tuple(folder / "profiles.yml" for folder in _profiles_file(project_dir, profiles_dir, env)[1])


def read_dbt_project(project_dir: Path, *, env: Mapping[str, str] | None = None) -> DbtProjectFile:
    """Read dbt_project.yml; `env` is for its `env_var`. Raises `ProjectError`, also where there is none."""
    path = project_dir / "dbt_project.yml"
    file = name_of_file(path, project_dir)
    missing = f"{quoted(str(project_dir))} is not a dbt project: it has no dbt_project.yml."
    fix = "Name the folder of the dbt project with --project-dir."
    if not _exists(path):
        raise ProjectError([error("not-a-dbt-project", missing, fix, file=file)])
    found = _yaml(path, file, missing=missing, fix=fix)
    return parse_dbt_project(found.mapping, file=file, env=env or {})


def read_profile(
    profile_name: str | None,
    *,
    project_dir: Path,
    profiles_dir: Path | None,
    env: Mapping[str, str],
    target: str | None = None,
) -> tuple[Profile, tuple[Issue, ...]]:
    """Read one profile, from the profiles.yml that dbt would take.

    dbt looks in `--profiles-dir`, else in DBT_PROFILES_DIR, else in the folder it runs in (tasks run it in the
    project), else in ~/.dbt. `target` is dbt's `--target`. Without any profiles.yml the profile is not `found` and one
    warning says so.
    """
    name = profile_name or ""
    if not name:
        message = "dbt_project.yml names no `profile`, so the targets are not known."
        fix = "Add `profile: name` to dbt_project.yml."
        return Profile("", None, found=False), (
            warning("no-profile", message, fix, file="dbt_project.yml", key="profile"),
        )
    path, looked, is_named = _profiles_file(project_dir, profiles_dir, env)
    if path is None:
        where = ", ".join(name_of_file(folder, project_dir) for folder in looked)
        message = f"There is no profiles.yml (looked in {where}), so every target is taken as a warehouse."
        fix = "Name its folder with --profiles-dir or DBT_PROFILES_DIR, or put it beside dbt_project.yml."
        make = error if is_named else warning
        return Profile(name, None, found=False), (make("no-profiles-file", message, fix, file="profiles.yml"),)
    file = name_of_file(path, project_dir)
    try:
        found = _yaml(path, file, missing="There is no such file.", fix="Name its folder with --profiles-dir.")
    except ProjectError as failed:
        return Profile(name, None, found=False), failed.issues
    profile, issues = parse_profile(found.mapping, name, file=file, env=env, target=target)
    return profile, (*_duplicate_warnings(found, file), *issues)


def _profiles_file(
    project_dir: Path, profiles_dir: Path | None, env: Mapping[str, str]
) -> tuple[Path | None, list[Path], bool]:
    """The file, the folders that were looked in, and whether the folder was asked for by the option."""
    looked: list[Path] = []
    for folder in _profiles_folders(project_dir, profiles_dir, env):
        looked.append(folder)
        if _exists(folder / "profiles.yml"):
            return folder / "profiles.yml", looked, profiles_dir is not None
    return None, looked, profiles_dir is not None


def _profiles_folders(project_dir: Path, profiles_dir: Path | None, env: Mapping[str, str]) -> Iterator[Path]:
    """One after the other: what is found in the project does not depend on who reads it and where they are at home."""
    if profiles_dir is not None:
        yield profiles_dir
    elif env.get("DBT_PROFILES_DIR"):
        folder = Path(env["DBT_PROFILES_DIR"])
        yield folder if folder.is_absolute() else project_dir / folder
    else:
        yield project_dir
        home = env.get("HOME") or env.get("USERPROFILE")
        if home:
            yield Path(home) / ".dbt"


def read_project_file(project_dir: Path, name: str) -> bytes | None:
    """A file of the project by its path relative to it; None for one that lies outside, is large, or cannot be read."""
    path = project_dir / name
    try:
        if not path.resolve().is_relative_to(project_dir.resolve()):
            return None
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        return None
    return data if len(data) <= MOST_BYTES else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _duplicate_warnings(found: YamlFile, file: str) -> tuple[Issue, ...]:
    """In a file of dbt's, a duplicate key is what dbt makes of it: the last one counts."""
    return tuple(
        warning(
            "yaml-duplicate-key",
            f"The key {quoted(twice.key)} stands twice: lines {twice.first_line} and {twice.line}; the last counts.",
            "Remove one of the two.",
            file=file,
        )
        for twice in found.duplicates
    )


def _yaml(path: Path, file: str, *, missing: str, fix: str) -> YamlFile:
    try:
        if path.is_dir():
            raise ProjectError([error("file-unreadable", "It is a folder, not a file.", fix, file=file)])
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ProjectError([error("file-missing", missing, fix, file=file)]) from None
    except (OSError, ValueError) as failed:
        reason = failed.strerror if isinstance(failed, OSError) and failed.strerror else "the name cannot be a path"
        message = f"The file cannot be read: {reason.lower()}."
        raise ProjectError([error("file-unreadable", message, fix, file=file)]) from None
    return load_yaml(data, file=file)
