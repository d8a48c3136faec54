"""Versions of this environment against those that are supported."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from dbt_af_k8s import __version__
from dbt_af_k8s.cluster.checks import Check, doubtful, fine, skipped, wrong

AREA = "versions"
OLDEST_AIRFLOW, OLDEST_KUBERNETES, OLDEST_PYTHON = (3, 2), (1, 30), (3, 11)
OLDEST_PROVIDER = (10, 4)
DBT = (1, 11)
KUBERNETES_PROVIDER = "apache-airflow-providers-cncf-kubernetes"


def version_numbers(text: str) -> tuple[int, ...]:
    """`v1.36.1-eks` as (1, 36, 1); empty for what is no version."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def version_text(numbers: tuple[int, ...]) -> str:
    """(1, 30) as `1.30`."""
    return ".".join(map(str, numbers))


def check_versions() -> Iterator[Check]:
    """Python, this package, and what is installed beside it: Airflow, its Kubernetes provider, dbt."""
    yield fine(AREA, "dbt-af-k8s", __version__)
    python = sys.version_info[:3]
    told = version_text(python)
    if python < OLDEST_PYTHON:
        yield wrong(AREA, "Python", told, f"Use Python {version_text(OLDEST_PYTHON)} or newer.")
    else:
        yield fine(AREA, "Python", told)
    yield check_oldest("Airflow", installed("apache-airflow"), OLDEST_AIRFLOW, area=AREA)
    yield check_oldest("Kubernetes provider", installed(KUBERNETES_PROVIDER), OLDEST_PROVIDER, area=AREA)
    yield _dbt(installed("dbt-core"))


def check_oldest(name: str, found: str | None, oldest: tuple[int, ...], *, area: str) -> Check:
    """Whether something is new enough; None: not installed here."""
    if found is None:
        return skipped(area, name, "not installed here")
    if version_numbers(found) < oldest:
        return wrong(area, name, f"{found} is too old", f"Use {version_text(oldest)} or newer.")
    return fine(area, name, found)


def _dbt(found: str | None) -> Check:
    if found is None:
        told = "not installed in this environment"
        return skipped(AREA, "dbt", told, "Fine where the runner's `dbt` names that of another one.")
    if version_numbers(found)[:2] != DBT:
        told = f"{found}; this library is tried with {version_text(DBT)}"
        return doubtful(AREA, "dbt", told, "Tasks run without slices. Run the tests of your project with it.")
    return fine(AREA, "dbt", found)


def installed(package: str) -> str | None:
    """The version of a package in this environment, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
