"""Which variables dbt gets, and where the server's others go.

Another process of the same user reads `/proc/<pid>/environ`, which holds what a process was started with, whatever it
unsets later. So the server starts itself again in the same process, with the variables that dbt gets and no others; it
hands the rest to itself by a file in memory, which is gone when it was read.
"""

import ctypes
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.server.settings import ServerConfig

#: Variables of the server that dbt has no business with begin so.
SECRET_PREFIX = "DBT_AF_K8S_SERVER_"  # noqa: S105  no secret
#: The descriptor by which the server hands variables to itself.
_HANDED = "DBT_AF_K8S_SERVER_HANDED_OVER"
#: What any program may need, and dbt's own.
_ALWAYS = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "TEMP", "TMP"),
    *("LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHON*", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    "DBT_*",
)
#: Those of them that are ours, and tell dbt nothing.
_OURS = "DBT_AF_K8S_*"
#: What dbt 1.11 says of a variable that is not there (`EnvVarMissingError`).
_MISSED = re.compile(r"Env var required but not provided: '([^']{1,200})'")
_PR_SET_DUMPABLE = 4


def gets(name: str, config: ServerConfig) -> bool:
    """Whether dbt gets this variable."""
    jwt = config.auth.jwt
    if name.startswith(SECRET_PREFIX) or name in (config.state.postgres_variable, jwt and jwt.secret_variable):
        return False
    if any(fnmatchcase(name, pattern) for pattern in config.dbt.environment):
        return True
    return not fnmatchcase(name, _OURS) and any(fnmatchcase(name, pattern) for pattern in _ALWAYS)


def missed_hint(said: str) -> str:
    """What to do about a variable that dbt misses, by what dbt says; empty where it misses none."""
    found = _MISSED.search(said)
    if found is None:
        return ""
    name = found[1]
    if name.startswith("DBT_") and not fnmatchcase(name, _OURS):
        return f" Set {name} where the server is started."
    return (
        f" dbt gets a list of the server's variables: name {name} in `dbt.environment` of the server's settings, and "
        "set it where the server is started."
    )


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables with which the server was started."""

    all: Mapping[str, str] = field(repr=False)
    #: Whether those that dbt does not get are out of sight.
    is_hidden: bool


def read_variables(environment: Mapping[str, str]) -> Variables:
    """All variables, those included that were hidden. Raises `UsageError`."""
    number = environment.get(_HANDED)
    if number is None:
        return Variables(dict(environment), is_hidden=False)
    try:
        with os.fdopen(int(number), "rb") as stream:
            rest = json.loads(stream.read())
    except (OSError, ValueError):
        raise UsageError(f"{_HANDED} is the server's own: unset it.") from None
    os.environ.pop(_HANDED, None)
    # The library of PostgreSQL reads these itself. What is set now does not show in /proc.
    os.environ.update({name: value for name, value in rest.items() if name.startswith("PG")})
    return Variables({**{name: value for name, value in environment.items() if name != _HANDED}, **rest}, True)


def hide(variables: Variables, is_given: Callable[[str], bool]) -> None:
    """Put what dbt does not get out of sight: start this process again without. Returns where that is done already."""
    given = {name: value for name, value in variables.all.items() if is_given(name)}
    hidden = {name: value for name, value in variables.all.items() if name not in given}
    if variables.is_hidden or not hidden or not sys.executable:
        _let_nobody_look()
        return
    # It has no name, and is gone when it was read.
    number = os.memfd_create("variables", 0) if hasattr(os, "memfd_create") else _unnamed_file()
    os.write(number, json.dumps(hidden).encode())
    os.lseek(number, 0, os.SEEK_SET)
    os.set_inheritable(number, True)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**given, _HANDED: str(number)})  # noqa: S606


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as stream:
        return os.dup(stream.fileno())


def _let_nobody_look() -> None:
    """On Linux, let no other process of the same user read this one's memory and descriptors."""
    if Path("/proc/self/status").exists():
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
