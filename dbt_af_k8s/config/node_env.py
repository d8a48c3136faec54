"""Variables that a node may not set for a process on the worker: they decide what that process loads, and as whom."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

#: dbt's own options as variables (`dbt.cli.params`, 1.11) that say where it reads, writes and connects.
_OF_DBT = ("PROFILES_DIR", "PROFILE", "PROJECT_DIR", "TARGET", "TARGET_PATH", "LOG_PATH", "STATE", "DEFER_STATE")
_REFUSED = (
    *("PATH", "HOME", "ENV", "BASH_ENV", "SHELLOPTS", "IFS", "VIRTUAL_ENV", "KUBECONFIG"),
    # Libraries and code that a program loads before its own.
    *("LD_*", "DYLD_*", "GCONV_PATH", "LOCPATH", "PYTHON*", "PIP_*", "UV_*", "GIT_*", "OPENSSL_*"),
    # Airflow's own settings and connections, and secrets of dbt.
    *("AIRFLOW*", "DBT_ENV_SECRET*", "DBT_PARTIAL_PARSE*", "DBT_ENGINE_*", "DBT_ARTIFACT_STATE_PATH"),
    *(f"DBT_{name}" for name in _OF_DBT),
)


def refused_on_worker(names: Iterable[str]) -> tuple[str, ...]:
    """The names among these that a node may not set where its work is a process of the worker."""
    return tuple(name for name in names if any(fnmatchcase(name.upper(), pattern) for pattern in _REFUSED))
