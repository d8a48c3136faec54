"""How a task starts: from its slice where that fits, else on the whole project, with the reason."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbt_af_k8s.dbt.slices.project_files import is_unchanged
from dbt_af_k8s.dbt.slices.store import find_slices
from dbt_af_k8s.dbt.slices.values import SLICED_VERBS, NoSlice, SliceStart
from dbt_af_k8s.dbt.values import DbtInvocation

#: A script for dbt's own Python, never imported here.
_DRIVER = Path(__file__).resolve().parents[1] / "driver.py"
#: The driver writes here, in the private target folder, why it did not take the slice.
REFUSAL = "slice_refused.txt"
#: What a console script of dbt imports; any other program may do more than start dbt.
_ENTRY = b"from dbt.cli.main import cli"
#: pip writes a shebang that is too long, or has a space, as a shell line that starts Python.
_SHELL_LINE = b"'''exec'"
_LONGEST_SCRIPT = 4096


def start_from_slice(
    invocation: DbtInvocation,
    store: Path,
    dbt_argv: Sequence[str],
    *,
    project_dir: Path,
    target_path: Path,
    environment: Mapping[str, str],
) -> SliceStart | NoSlice:
    """The command that runs the nodes of a task from their slices, or why it is not to be used.

    `dbt_argv` is the dbt command that does the same on the whole project; `target_path` its private target folder.
    What only dbt can tell (its version, the names that the target gives to relations) the driver checks.
    """
    if invocation.verb not in SLICED_VERBS:
        return NoSlice(f"`dbt {invocation.verb}` does not run from slices")
    unique_ids = [node.unique_id for node in invocation.nodes]
    found = find_slices(store, unique_ids)
    if isinstance(found, NoSlice):
        return found
    changed = next((mark.path for mark in found.files if not is_unchanged(mark, project_dir)), None)
    if changed is not None:
        return NoSlice(f"{changed} has changed since the slices were made")
    program = program_path(dbt_argv[0], environment)
    python = None if program is None else python_of(program, environment)
    if program is None or python is None:
        return NoSlice(f"{dbt_argv[0]} is no script of a Python environment that can be read")
    refusal = target_path / REFUSAL
    given = (str(store), str(refusal), str(program), str(len(unique_ids)), *unique_ids)
    return SliceStart((python, str(_DRIVER), *given, *dbt_argv[1:]))


def refusal_in(target_path: Path) -> str | None:
    """Why the driver did not take the slice; None where it did."""
    try:
        return (target_path / REFUSAL).read_text("utf-8").strip() or "the driver gave no reason"
    except OSError:
        return None


def program_path(program: str, environment: Mapping[str, str]) -> Path | None:
    """The file that a program's name stands for, or None where there is none."""
    found = shutil.which(program, path=environment.get("PATH"))
    return None if found is None else Path(found)


def python_of(program: Path, environment: Mapping[str, str]) -> str | None:
    """The Python that runs this dbt program, or None where it is not plainly dbt's own console script.

    A wrapper of another kind may set variables or choose an environment, so nothing is guessed.
    """
    try:
        with program.open("rb") as stream:
            text = stream.read(_LONGEST_SCRIPT)
    except OSError:
        return None
    lines = text.split(b"\n")
    if not lines[0].startswith(b"#!") or _ENTRY not in text:
        return None
    words = lines[0][2:].decode("utf-8", "replace").split()
    if words and Path(words[0]).name == "sh" and len(lines) > 1 and lines[1].startswith(_SHELL_LINE):
        rest = lines[1][len(_SHELL_LINE) :].decode("utf-8", "replace").strip()
        words = [rest[1:].partition('"')[0]] if rest.startswith('"') else rest.split()[:1]
    if len(words) == 2 and Path(words[0]).name == "env":
        found = shutil.which(words[1], path=environment.get("PATH"))
        words = [] if found is None else [found]
    if len(words) != 1 or not Path(words[0]).name.startswith("python"):
        return None
    return words[0] if Path(words[0]).is_file() else None
