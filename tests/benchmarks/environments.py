"""An environment of its own for each peer, made once in the cache folder."""

import json
import runpy
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "benchmarks"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library that makes DAGs of a dbt project."""

    name: str
    distribution: str
    requirements: tuple[str, ...]


COSMOS = Peer("astronomer-cosmos", "astronomer-cosmos", ("astronomer-cosmos>=1.15,<2",))
#: dbt-core 1.12 downloads a part of itself while it is installed, which many machines may not do.
DMP_AF = Peer("dmp-af", "dmp-af", ("dmp-af>=0.19,<1", "dbt-core>=1.11,<1.12"))


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a peer is installed."""

    peer: Peer
    python: Path
    version: str


def environment(peer: Peer) -> Environment:
    """Make the peer's environment, with the Airflow of this one; compiled, so that no run pays for that."""
    airflow = version("apache-airflow")
    requirements = (*peer.requirements, f"apache-airflow=={airflow}")
    folder = CACHE / f"{peer.name}-{airflow}"
    python = folder / "bin" / "python"
    mark = folder / "requirements.json"
    if not mark.exists() or json.loads(mark.read_text()) != list(requirements):
        venv.create(folder, clear=True, with_pip=True)
        _install(python, requirements)
        mark.write_text(json.dumps(requirements))
    asked = f"import importlib.metadata as m; print(m.version({peer.distribution!r}))"
    done = subprocess.run([str(python), "-c", asked], capture_output=True, text=True, check=True)
    return Environment(peer, python, done.stdout.strip())


def _install(python: Path, requirements: tuple[str, ...]) -> None:
    """Install with uv where the development environment has it, as `make install` does; else with pip."""
    if find_spec("uv") is None:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)
        return
    install = runpy.run_path(str(ROOT / ".ci" / "install.py"))
    env = install["uv_environment"](install["pip_settings"]())
    argv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    subprocess.run([*argv, *requirements], check=True, env=env)
