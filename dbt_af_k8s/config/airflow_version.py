"""Which Airflow this library needs, looked up without importing it: an older one lacks what our operators import."""

from importlib.metadata import PackageNotFoundError, version

from dbt_af_k8s.errors import UsageError

#: The oldest Airflow that is supported, as in pyproject.toml.
OLDEST = (3, 2)


def installed_airflow() -> str | None:
    """The version of the Airflow beside this library; None where there is none."""
    for package in ("apache-airflow-core", "apache-airflow"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def check_airflow() -> None:
    """Raise `UsageError` where the Airflow beside this library is too old for it."""
    found = installed_airflow()
    if found is None:
        return
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UsageError(
            f"dbt_af_k8s needs Airflow {oldest} or newer; here is Airflow {found}. Install a newer one: "
            f"`pip install 'apache-airflow>={oldest},<4'`, with the constraints file of its version."
        )
