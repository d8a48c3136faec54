"""Fill the virtual environment of the Python that runs this: `python .ci/install.py [--pure]`.

Without an option it holds exactly the lock (requirements-dev.txt) and this package, editable. With `--pure` it holds
the package's base dependencies and the test tools alone, neither Airflow nor dbt, at the lock's versions.

uv does the work where it can be had, because it is many times faster; else pip does. uv does not read pip's
configuration, so the package indexes that pip knows are handed on to it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

LOCK = "requirements-dev.txt"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
UV = (sys.executable, "-m", "uv", "pip")


def pip_settings() -> dict[str, list[str]]:
    """Read pip's own settings by name, from its files and the environment; later files win over earlier ones."""
    listing = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
    found: dict[str, dict[str, list[str]]] = {}
    for line in listing.splitlines():
        place, _, value = line.partition("=")
        section, _, name = place.partition(".")
        if section in ("global", "install", ":env:"):
            found.setdefault(section, {})[name] = value.strip("'\"").replace("\\n", " ").split()
    return {**found.get("global", {}), **found.get("install", {}), **found.get(":env:", {})}


def uv_environment(pip: dict[str, list[str]]) -> dict[str, str]:
    """The environment for uv: what pip is told about indexes, unless uv is told itself."""
    env = dict(os.environ)
    env["VIRTUAL_ENV"] = sys.prefix
    own = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS", "UV_CONFIG_FILE")
    if not any(name.startswith(own) for name in env):
        if "index-url" in pip:
            env["UV_DEFAULT_INDEX"] = pip["index-url"][0]
        if "extra-index-url" in pip:
            env["UV_INDEX"] = " ".join(pip["extra-index-url"])
            # pip takes a package from whichever of its indexes has the wanted version.
            env["UV_INDEX_STRATEGY"] = "unsafe-best-match"
        if "find-links" in pip:
            env["UV_FIND_LINKS"] = ",".join(pip["find-links"])
        if "no-index" in pip and pip["no-index"] != ["false"]:
            env["UV_NO_INDEX"] = "1"
    if "cert" in pip:
        env.setdefault("SSL_CERT_FILE", pip["cert"][0])
    if "trusted-host" in pip:
        env.setdefault("UV_INSECURE_HOST", " ".join(pip["trusted-host"]))
    return env


def run(*argv: str, env: dict[str, str] | None = None) -> bool:
    """Run a command in sight of the user; whether it went well."""
    return subprocess.run(argv, env=env, check=False).returncode == 0


def with_uv(pure: bool) -> bool:
    """Install by uv; False where that does not work."""
    print("  fetching uv, which installs the rest", flush=True)
    if not run(*PIP, "install", "--quiet", "uv"):
        return False
    env = uv_environment(pip_settings())
    if pure:
        return run(*UV, "install", "--constraint", LOCK, "--group", "test", "--editable", ".", env=env)
    print("  installing the lock (some 200 packages)", flush=True)
    return run(*UV, "sync", "--compile-bytecode", LOCK, env=env) and run(
        *UV, "install", "--quiet", "--no-deps", "--editable", ".", env=env
    )


def with_pip(pure: bool) -> bool:
    """Install by pip alone, a few minutes."""
    print("  uv did not work here; pip does it, which takes some minutes", flush=True)
    run(*PIP, "install", "--quiet", "--upgrade", "pip")
    if pure:
        return run(*PIP, "install", "--constraint", LOCK, "--group", "test", "--editable", ".")
    return run(*PIP, "install", "--requirement", LOCK) and run(*PIP, "install", "--no-deps", "--editable", ".")


def main() -> int:
    """Install; the exit code is 0 when everything is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pure", action="store_true", help="base dependencies and test tools only")
    pure = parser.parse_args().pure
    os.chdir(Path(__file__).resolve().parent.parent)
    if with_uv(pure) or with_pip(pure):
        return 0
    print("Could not install. The lines above say what failed; `make install` tries again.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
