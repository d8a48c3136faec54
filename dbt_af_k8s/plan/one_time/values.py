"""A one-time job as values: what it runs, in which order, and the Kubernetes Job around it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.schedule.values import Interval

#: Where the configuration lies in the Job's container.
CONFIG_FOLDER = "/etc/dbt-af-k8s/job"
CONFIG_FILE = "backfill.yml"
#: Where the Secret with the login of Airflow lies there.
LOGIN_FOLDER = "/etc/dbt-af-k8s/airflow"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which runs of which DAG are asked for."""

    dag_id: str
    #: In the order in which they are written, none overlapping another; UTC.
    ranges: tuple[Interval, ...] = ()
    #: Values by dimension, as written.
    static: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    models: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    full_refresh: bool = False
    with_tests: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    chunk: str = "none"
    timezone: str = "UTC"
    newest_first: bool = False
    concurrency: int = 1
    stops_on_failure: bool = True
    #: Seconds between two looks.
    poll: int = 15


@dataclass(frozen=True, slots=True)
class OneTimeRun:
    """One run of the DAG."""

    run_id: str
    interval: Interval | None
    static: tuple[tuple[str, Any], ...]
    #: The run's configuration, as plain JSON values.
    conf: Mapping[str, Any]
    #: Whether no other run may be at work at the same time.
    is_alone: bool = False

    @property
    def label(self) -> str:
        """Which partition it is, for a person: `2026-01-05 → 2026-01-06, region=north`."""
        parts = [] if self.interval is None else [interval_text(self.interval)]
        return ", ".join((*parts, *(f"{name}={value}" for name, value in self.static)))


@dataclass(frozen=True, slots=True)
class OneTimeJob:
    """A whole configuration."""

    #: Of the Job and its ConfigMap: name and suffix.
    name: str
    config_version: str
    #: With tag or digest.
    image: str
    #: With the path of the configuration in it.
    command: tuple[str, ...]
    runs: tuple[OneTimeRun, ...]
    asked: Asked
    airflow_url: str | None
    airflow_secret: str | None
    #: The configuration as the ConfigMap holds it.
    config_text: str
    #: What the template gets; plain JSON values.
    context: Mapping[str, Any]


def interval_text(interval: Interval) -> str:
    """An interval, for a person; whole days without their hours."""
    start, end = interval.start, interval.end
    has_hours = any(moment.time().replace(tzinfo=None).isoformat() != "00:00:00" for moment in (start, end))
    form = "%Y-%m-%d %H:%M" if has_hours else "%Y-%m-%d"
    return f"{start:{form}} → {end:{form}}"
