"""A checked configuration of a one-time job -> values, and what the template of its Job gets. Pure."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from dbt_af_k8s.k8s.names import LONGEST_LABEL, safe_label_value
from dbt_af_k8s.names import short_hash
from dbt_af_k8s.plan.one_time.runs import runs_of
from dbt_af_k8s.plan.one_time.suffix import readable_suffix
from dbt_af_k8s.plan.one_time.values import CONFIG_FILE, CONFIG_FOLDER, LOGIN_FOLDER, Asked, OneTimeJob
from dbt_af_k8s.plan.one_time.written import DateRange, JobWritten, OneTimeWritten
from dbt_af_k8s.plan.one_time.yaml_out import yaml_text
from dbt_af_k8s.pods.env import read_env
from dbt_af_k8s.schedule.intervals import moment_from_form
from dbt_af_k8s.schedule.values import Interval

#: Labels and annotations of ours.
MANAGED_BY = "app.kubernetes.io/managed-by"
VERSION_LABEL = "dbt-af-k8s/config-version"
DAG_ANNOTATION = "dbt-af-k8s/dag"
RUNS_ANNOTATION = "dbt-af-k8s/runs"
_CONFIG = f"{CONFIG_FOLDER}/{CONFIG_FILE}"
_PLACE = "{config}"


def range_of(written: DateRange, timezone: str) -> Interval:
    """A range in UTC. `UsageError` where a date cannot be read."""
    start, end = (
        moment_from_form(name, text, timezone) for name, text in (("from", written.start), ("to", written.end))
    )
    return Interval(start, end)


def asked_for(written: OneTimeWritten) -> Asked:
    """Which runs a configuration asks for; its dates can be read."""
    return Asked(
        dag_id=written.dag or f"{written.domain}__backfill",
        ranges=tuple(range_of(each, written.timezone) for each in written.partitions.dates),
        static=tuple(written.partitions.static.items()),
        models=written.models,
        variables=_plain(written.vars),
        full_refresh=written.full_refresh,
        with_tests=written.with_tests,
        tags=written.tags,
        chunk=written.chunk,
        timezone=written.timezone,
        newest_first=written.order == "newest_first",
        concurrency=written.concurrency,
        stops_on_failure=written.on_failure == "stop",
        poll=written.poll,
    )


def amounts(job: JobWritten) -> tuple[dict[str, str], dict[str, str]]:
    """Requests and limits: what one of them leaves open follows the other."""
    requests, limits = dict(job.requests), dict(job.limits)
    if "requests" not in job.model_fields_set:
        requests = {resource: limits.get(resource, amount) for resource, amount in requests.items()}
        if "limits" not in job.model_fields_set:
            return requests, limits
    if "limits" not in job.model_fields_set:
        limits = {"memory": requests["memory"]} if "memory" in requests else {}
    return requests, limits


def resolve(written: OneTimeWritten, raw: Mapping[Any, Any]) -> OneTimeJob:
    """The values of a configuration that is right; `raw` is the same as the file has it."""
    asked = asked_for(written)
    text = yaml_text(_plain({key: value for key, value in raw.items() if key != "suffix"}))
    digest = short_hash(text, 12)
    base = written.name or _dns(f"backfill-{written.domain or written.dag}")
    suffix = written.suffix or readable_suffix(text)
    name = f"{base[: LONGEST_LABEL - len(suffix) - 1].rstrip('-')}-{suffix}"
    runs = runs_of(asked, name=base, config_version=written.config_version)
    config_version = written.config_version or digest
    version = written.version or "latest"
    image = f"{written.image}{'@' if version.startswith('sha256:') else ':'}{version}"
    command = _with_config(written.command)
    return OneTimeJob(
        name=name,
        config_version=config_version,
        image=image,
        command=command,
        runs=runs,
        asked=asked,
        airflow_url=written.airflow.url,
        airflow_secret=written.airflow.secret,
        config_text=text,
        context=_context(written, name, image, command, text, config_version, asked.dag_id, len(runs)),
    )


def _with_config(command: tuple[str, ...]) -> tuple[str, ...]:
    if any(_PLACE in word for word in command):
        return tuple(word.replace(_PLACE, _CONFIG) for word in command)
    return (*command, _CONFIG)


def _context(
    written: OneTimeWritten,
    name: str,
    image: str,
    command: tuple[str, ...],
    text: str,
    config_version: str,
    dag_id: str,
    runs: int,
) -> dict[str, Any]:
    """What the template gets: plain values, each under a name that the reference has."""
    job = written.job
    requests, limits = amounts(job)
    labels = {MANAGED_BY: "dbt-af-k8s", VERSION_LABEL: safe_label_value(config_version)}
    annotations = {DAG_ANNOTATION: dag_id, RUNS_ANNOTATION: str(runs), VERSION_LABEL: config_version}
    return {
        "name": name,
        "namespace": job.namespace,
        "labels": {**labels, **{key: safe_label_value(value) for key, value in written.tags.items()}, **job.labels},
        "annotations": {**annotations, **written.tags, **job.annotations},
        "image": image,
        "image_pull_policy": job.image_pull_policy,
        "image_pull_secrets": list(job.image_pull_secrets),
        "command": list(command),
        "config": {"folder": CONFIG_FOLDER, "file": CONFIG_FILE, "text": text},
        "airflow": {"url": written.airflow.url, "secret": written.airflow.secret, "folder": LOGIN_FOLDER},
        "env": list(read_env(job.env, ("job", "env"))[0]),
        "env_from": list(job.env_from),
        "resources": {"requests": requests, "limits": limits},
        "service_account": job.service_account,
        "node_selector": job.node_selector,
        "tolerations": list(job.tolerations),
        "ttl": job.ttl,
        "active_deadline": job.active_deadline,
        "security_defaults": job.security_defaults,
        "config_version": config_version,
        "tags": dict(written.tags),
        "dag_id": dag_id,
        "runs": runs,
    }


def _dns(text: str) -> str:
    """The text as a part of a Kubernetes name, with a hash where it changed beyond its case and underscores."""
    spelled = re.sub(r"[_.]+", "-", text.lower())
    cleaned = re.sub(r"[^a-z0-9-]+", "-", spelled).strip("-")
    return cleaned if cleaned == spelled else f"{cleaned}-{short_hash(text)}"


def _plain(value: Any) -> Any:
    """The same with dates as text, so that it is JSON, and reads back as what it was."""
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime) else value
