"""`dbt parse` for one target, in a folder of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dbt_af_k8s.dbt.command import dbt_program
from dbt_af_k8s.dbt.logs import LogDigest, read_line
from dbt_af_k8s.dbt.process import ChildProcess
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.errors import UsageError

#: As for tasks; dbt's own saved parse stays, so that the next parse for this target is quick.
_FLAGS = (
    *("--log-format", "json", "--log-level-file", "none", "--no-use-colors", "--no-send-anonymous-usage-stats"),
    "--write-json",
)


def parse_argv(
    project: DbtProject, *, target: str | None, target_path: Path | None, executable: str | None = None
) -> Sequence[str]:
    """The dbt command that writes a manifest. `target_path` None: the project's own target folder."""
    return (
        dbt_program(executable),
        "parse",
        *("--project-dir", str(project.project_dir)),
        *(("--profiles-dir", str(project.profiles_dir)) if project.profiles_dir else ()),
        *(("--target", target) if target else ()),
        *(("--target-path", str(target_path)) if target_path else ()),
        *_FLAGS,
    )


def parse_project(
    project: DbtProject,
    environment: Mapping[str, str],
    *,
    target: str | None,
    target_path: Path | None,
    executable: str | None = None,
) -> None:
    """Let dbt write the manifest of a project; see `parse_argv`.

    Raises `UsageError` with dbt's own words where it fails, or where there is no dbt.
    """
    digest = LogDigest()

    def see(text: str) -> None:
        nonlocal digest
        digest = digest.seen(read_line(text))

    argv = parse_argv(project, target=target, target_path=target_path, executable=executable)
    ended = ChildProcess(argv, cwd=project.project_dir, environment=environment).run(see)
    if ended.exit_code != 0:
        where = f" for the target {target}" if target else ""
        said = " ".join((digest.fatal or "; ".join(digest.errors)).split())
        raise UsageError(
            f"dbt cannot parse the project{where} (exit code {ended.exit_code}): {said or 'no reason given'}"
        )
