"""Files that the command line writes: each whole or not at all, also on a full disk."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbt_af_k8s.errors import UsageError


def write_whole(path: Path, text: str) -> None:
    """Write a file, or put it in the place of the one that is there. Folders are made.

    Raises `UsageError` where it cannot be written; then what was there is as it was.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a link points to is written, and the link stays.
        place = path.resolve()
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
                stream.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_new(path: Path, text: str) -> bool:
    """Write a file that is not there yet, and say whether it was not: what is there is never overwritten.

    Raises `UsageError` where it cannot be written; then there is none.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            stream = path.open("x", encoding="utf-8", newline="\n")
        except FileExistsError:
            return False
        try:
            with stream:
                stream.write(text)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return True


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """The system's error as a message with the file in it."""
    try:
        yield
    except OSError as reason:
        raise UsageError(f"{path} cannot be written: {(reason.strerror or str(reason)).lower()}.") from None
