"""The one place of this room that touches the disk."""

from pathlib import Path

from dbt_af_k8s.errors import Issue, ProjectError, error, name_of_file
from dbt_af_k8s.manifest.parse import parse_manifest
from dbt_af_k8s.manifest.problems import WRITE_AGAIN
from dbt_af_k8s.manifest.values import Manifest

_WRITE = WRITE_AGAIN.replace("write it again", "write it")
#: Largest manifest that is read, in bytes. Real ones go to a few hundred MB; a mistaken path may be a disk image.
MOST_BYTES = 2 * 1024**3


def read_manifest(path: Path, *, project_dir: Path) -> Manifest:
    """Read a manifest.json. A relative `path` is relative to the working directory, as dbt's own options are.

    Messages name the file relative to `project_dir` where it lies inside. Raises `ProjectError` with all problems.
    """
    file = name_of_file(path, project_dir)
    try:
        data = _bytes(path, file)
    except FileNotFoundError:
        missing = error("manifest-missing", "There is no such manifest.", _WRITE, file=file)
        raise ProjectError([missing]) from None
    except (OSError, ValueError) as failed:
        reason = failed.strerror if isinstance(failed, OSError) and failed.strerror else "the name cannot be a path"
        raise ProjectError([_unreadable(reason.lower(), file)]) from None
    return parse_manifest(data, file=file)


def _bytes(path: Path, file: str) -> bytes:
    if path.is_dir():
        raise ProjectError([_unreadable("it is a folder", file)])
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ProjectError([_unreadable(f"it has {size} bytes, more than any manifest", file)])
    return path.read_bytes()


def _unreadable(reason: str, file: str) -> Issue:
    return error("manifest-unreadable", f"The manifest cannot be read: {reason}.", _WRITE, file=file)
