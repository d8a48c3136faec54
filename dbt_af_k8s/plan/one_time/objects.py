"""Whether a Job and a ConfigMap are what Kubernetes takes, and fit each other. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.config.wording import choose_from, quoted, shown
from dbt_af_k8s.jobs.document import job_findings
from dbt_af_k8s.k8s.check import check_object
from dbt_af_k8s.k8s.names import is_dns_subdomain, is_label_key, is_label_value
from dbt_af_k8s.plan.one_time.values import OneTimeJob

_API_VERSION = "v1"
_KEYS = ("apiVersion", "kind", "metadata", "data", "binaryData", "immutable")


def object_findings(thing: Mapping[str, Any], kind: str) -> Iterator[Finding]:
    """Everything that is wrong with one of the two objects; paths begin with its kind."""
    found = job_findings(thing) if kind == "Job" else _config_map(thing)
    for finding in found:
        yield replace(finding, path=(kind, *finding.path))


def _config_map(thing: Mapping[str, Any]) -> Iterator[Finding]:
    if thing.get("apiVersion") != _API_VERSION:
        message = f"`apiVersion` must be `{_API_VERSION}`, found {shown(thing.get('apiVersion'))}."
        yield Finding(("apiVersion",), "wrong", message, f"Write `apiVersion: {_API_VERSION}`.")
    for key in thing:
        if key not in _KEYS:
            message = f"The key {quoted(str(key))} is not known: no ConfigMap of Kubernetes has it."
            yield Finding((str(key),), "unknown", message, choose_from(str(key), _KEYS))
    metadata = thing.get("metadata")
    wrong = list(check_object(metadata, "ObjectMeta", ("metadata",)))
    yield from wrong
    if not wrong and isinstance(metadata, Mapping):
        yield from _metadata(metadata)
    yield from _data(thing)


def _metadata(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    if not is_dns_subdomain(metadata.get("name", "")):
        message = f"The name of the ConfigMap must be one of Kubernetes, found {shown(metadata.get('name'))}."
        yield Finding(("metadata", "name"), "wrong", message, "Use lower-case letters, digits and dashes.")
    for field in ("labels", "annotations"):
        for key, value in metadata.get(field, {}).items():
            if not is_label_key(key) or (field == "labels" and not is_label_value(value)):
                message = f"Kubernetes does not take `{key}: {value}` among the {field}."
                fix = "Use at most 63 letters, digits, dashes, dots and underscores."
                yield Finding(("metadata", field, key), "wrong", message, fix)


def _data(thing: Mapping[str, Any]) -> Iterator[Finding]:
    for field in ("data", "binaryData"):
        held = thing.get(field, {})
        if not isinstance(held, Mapping) or not all(isinstance(text, str) for pair in held.items() for text in pair):
            message = f"`{field}` of a ConfigMap is a mapping of texts."
            yield Finding(
                ("ConfigMap", field), "wrong", message, "Put values in quotes, or write them as a block (`|`)."
            )


def agreement_findings(job: Mapping[str, Any], config_map: Mapping[str, Any], asked: OneTimeJob) -> Iterator[Finding]:
    """Whether the Job's containers find the configuration: its ConfigMap, mounted where the command looks for it."""
    held, name = config_map["metadata"], config_map["metadata"]["name"]
    if held.get("namespace") != job["metadata"].get("namespace"):
        message = "The Job and its ConfigMap are in two namespaces."
        yield Finding(("ConfigMap", "metadata", "namespace"), "wrong", message, "Give both the same.")
    config = asked.context["config"]
    if config_map.get("data", {}).get(config["file"]) != config["text"]:
        message = f"The ConfigMap does not hold the configuration as `{config['file']}`."
        fix = "Write `{{ config.file | to_yaml }}: {{ config.text | to_yaml }}` below `data`."
        yield Finding(("ConfigMap", "data", config["file"]), "missing", message, fix)
    pod = job["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", ()) if volume.get("configMap", {}).get("name") == name}
    mounts = [mount for container in pod["containers"] for mount in container.get("volumeMounts", ())]
    places = [str(mount["mountPath"]) for mount in mounts if mount["name"] in volumes]
    if config["folder"] not in places:
        message = f"No container mounts the ConfigMap `{name}` at {config['folder']}."
        fix = "Name it in a volume (`configMap: {name: {{ name | to_yaml }}}`), and mount that at `config.folder`."
        yield Finding(("Job", "spec", "template", "spec", "volumes"), "missing", message, fix)
