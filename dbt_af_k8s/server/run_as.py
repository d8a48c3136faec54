"""Another user as whom dbt runs, and the folders that are given to it."""

import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dbt_af_k8s.dbt.process import OtherUser
from dbt_af_k8s.errors import UsageError

#: CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL, CAP_SETGID and CAP_SETUID, by their numbers in Linux.
_NEEDED = sum(1 << number for number in (0, 1, 5, 6, 7))


@dataclass(frozen=True, slots=True)
class DbtUser:
    """As whom dbt runs; `other` is None where that is the server's own user."""

    other: OtherUser | None = None
    #: Variables that name the user and its home.
    variables: tuple[tuple[str, str], ...] = ()

    def own(self, path: Path) -> Path:
        """Give a folder or a pipe to dbt; the same path."""
        if self.other is not None:
            os.chown(path, self.other.user, self.other.group, follow_symlinks=False)
        return path

    def inner(self, outer: Path, name: str) -> Path:
        """A new folder of dbt's in a folder of ours: dbt cannot put anything else in its place."""
        if self.other is not None:
            outer.chmod(0o711)
        made = outer / name
        made.mkdir(mode=0o700)
        return self.own(made)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The variables of dbt's processes."""
        return {**given, **dict(self.variables)}


def dbt_user(name: str | None) -> DbtUser:
    """The user of that name. Raises `UsageError` where there is none, or where this process may not become it."""
    if name is None:
        return DbtUser()
    try:
        known = pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"There is no user {name} on this machine (`dbt.run_as`).") from None
    if known.pw_uid == 0:
        raise UsageError("`dbt.run_as` is for a user with fewer rights than the server's, and root has all.")
    if not _may_change():
        raise UsageError(
            "`dbt.run_as` needs a server that is root, or has the capabilities CHOWN, DAC_OVERRIDE, KILL, SETGID and "
            "SETUID."
        )
    groups = tuple(sorted(os.getgrouplist(name, known.pw_gid)))
    variables = (("HOME", known.pw_dir), ("LOGNAME", name), ("USER", name))
    return DbtUser(OtherUser(known.pw_uid, known.pw_gid, groups), variables)


def read_left(path: Path, most: int) -> bytes | None:
    """A file that dbt left; None where it is larger, or no plain file of its own: dbt's user may have put a link there.

    Raises OSError, FileNotFoundError where there is none.
    """
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as stream:
        about = os.fstat(number)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1 or about.st_size > most:
            return None
        data = stream.read(most + 1)
    return data if len(data) <= most else None


def _may_change() -> bool:
    if os.geteuid() == 0:
        return True
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    held = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return int(held, 16) & _NEEDED == _NEEDED
