"""Python environments on the worker: each made once, by whoever needs it first."""

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dbt_af_k8s.airflow.scripts.run import ScriptFailedError, ScriptRetryError
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.pods.values import VenvTarget

#: The folder of caches, the same for compiled plans.
CACHE_VARIABLE = "DBT_AF_K8S_CACHE_DIR"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: Says that an environment is whole.
_MARK = ".dbt_af_k8s_ready"
RunIn = Callable[[Path, Sequence[str], Mapping[str, str], Sequence[str]], ProcessEnd]


class VenvMaker:
    """Makes the environment of a target, or finds it made.

    `run_in` runs a program in a folder with an environment and copies its output into the log. Addresses of indexes
    go to pip and uv by environment variables only, and what they print of them is hidden.
    """

    def __init__(self, target: VenvTarget, environment: Mapping[str, str], run_in: RunIn, log: Any) -> None:
        self._target = target
        self._environment = environment
        self._run_in = run_in
        self._log = log

    def python(self) -> Path:
        """The Python of the environment.

        Raises `ScriptRetryError` where the packages cannot be had (an index may be down), `ScriptFailedError` where a
        variable of an index address is not set, or there is no such Python.
        """
        folder = cache_folder(self._environment) / "venvs" / venv_key(self._target)
        python = folder / "bin" / "python"
        if not (folder / _MARK).exists():
            with _locked(folder):
                if not (folder / _MARK).exists():
                    self._make(folder)
        else:
            self._log.info("The Python environment is there already.")
        return python

    def _make(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        environment = {**self._environment, **index_variables(self._target, self._environment)}
        self._log.info("Making a Python environment: %s", ", ".join(self._target.requirements) or "no packages")
        for argv in commands(self._target, folder, shutil.which("uv")):
            if not Path(argv[0]).is_absolute() and shutil.which(argv[0]) is None:
                raise ScriptFailedError(f"The worker has no {argv[0]}, and no uv that could fetch it.")
            ended = self._run_in(folder.parent, argv, environment, secrets_of(self._target, self._environment))
            if ended.exit_code != 0 or ended.was_stopped:
                shutil.rmtree(folder, ignore_errors=True)
                raise ScriptRetryError("The Python environment of the script could not be made; the log says why.")
        (folder / _MARK).write_text("", encoding="utf-8")


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder of caches on this machine."""
    named = environment.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    above = environment.get("XDG_CACHE_HOME")
    return (Path(above) if above else Path.home() / ".cache") / "dbt_af_k8s"


def venv_key(target: VenvTarget) -> str:
    """The name of an environment: the same for the same Python, requirements, options and indexes."""
    asked = {
        "python": target.python_version or ".".join(map(str, sys.version_info[:3])),
        "system": sys.prefix if target.system_site_packages else None,
        "requirements": target.requirements,
        "options": target.pip_install_options,
        "indexes": target.index_urls,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:20]


def commands(target: VenvTarget, folder: Path, uv: str | None) -> tuple[tuple[str, ...], ...]:
    """What makes the environment: by uv where the worker has it, else by venv and pip."""
    site = ("--system-site-packages",) if target.system_site_packages else ()
    python = str(folder / "bin" / "python")
    wanted = (*target.pip_install_options, *target.requirements)
    if uv is not None:
        made_of = target.python_version or sys.executable
        make: tuple[str, ...] = (uv, "venv", "--no-config", "--python", made_of, *site, str(folder))
        install: tuple[str, ...] = (uv, "pip", "install", "--no-config", "--python", python, *wanted)
    else:
        program = f"python{target.python_version}" if target.python_version else sys.executable
        make = (program, "-m", "venv", *site, str(folder))
        install = (python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *wanted)
    return (make, install) if target.requirements else (make,)


def index_variables(target: VenvTarget, environment: Mapping[str, str]) -> dict[str, str]:
    """The indexes, as pip and uv are told of them."""
    if not target.index_urls:
        return {}

    def value(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise ScriptFailedError(f"`index_urls` names the variable {found[1]}, which is not set on the worker.")
        return environment[found[1]]

    first, *others = (_REFERENCE.sub(value, url) for url in target.index_urls)
    told = {"PIP_INDEX_URL": first, "UV_DEFAULT_INDEX": first}
    if others:
        told |= {"PIP_EXTRA_INDEX_URL": " ".join(others), "UV_INDEX": " ".join(others)}
    return told


def secrets_of(target: VenvTarget, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What of the index addresses no log may show: their users and passwords, and what stands in for them."""
    urls = [url for text in index_variables(target, environment).values() for url in text.split()]
    found = {part for url in urls for part in (urlsplit(url).username, urlsplit(url).password) if part}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an environment; who comes second waits and then finds it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
