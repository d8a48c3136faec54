"""Whether a Job and a ConfigMap are what Kubernetes takes, and fit each other. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.config.wording import choose_from, listed, quoted, shown
from dbt_af_k8s.k8s.check import check_object
from dbt_af_k8s.k8s.names import is_dns_label, is_dns_subdomain, is_label_key, is_label_value
from dbt_af_k8s.plan.one_time.values import OneTimeJob

_VERSIONS = {"Job": "batch/v1", "ConfigMap": "v1"}
_FIELDS = {"Job": ("spec",), "ConfigMap": ("data", "binaryData", "immutable")}
_HEAD = ("apiVersion", "kind", "metadata")
_POLICIES = ("Never", "OnFailure")


def object_findings(thing: Mapping[str, Any], kind: str) -> Iterator[Finding]:
    """Everything that is wrong with one of the two objects."""
    wanted = _VERSIONS[kind]
    if thing.get("apiVersion") != wanted:
        message = f"The apiVersion of a {kind} is {wanted}, found {shown(thing.get('apiVersion'))}."
        yield Finding((kind, "apiVersion"), "wrong", message, f"Write `apiVersion: {wanted}`.")
    known = (*_HEAD, *_FIELDS[kind])
    for key in thing:
        if key not in known:
            message = f"The key {quoted(str(key))} is not known: no {kind} of Kubernetes has it."
            yield Finding((kind, str(key)), "unknown", message, choose_from(str(key), known))
    yield from _metadata(thing.get("metadata"), kind)
    if kind == "Job":
        yield from _job(thing.get("spec"))
    else:
        yield from _data(thing)


def _metadata(metadata: Any, kind: str) -> Iterator[Finding]:
    at = (kind, "metadata")
    wrong = list(check_object(metadata, "ObjectMeta", at))
    yield from wrong
    if wrong:
        return
    name = metadata.get("name", "")
    is_name = is_dns_label if kind == "Job" else is_dns_subdomain
    if not is_name(name):
        message = f"The name of the {kind} must be one of Kubernetes, found {shown(name)}."
        yield Finding((*at, "name"), "wrong", message, "Use at most 63 lower-case letters, digits and dashes.")
    if "namespace" in metadata and not is_dns_label(metadata["namespace"]):
        message = f"This can be no namespace: {shown(metadata['namespace'])}."
        yield Finding((*at, "namespace"), "wrong", message, "Use at most 63 lower-case letters, digits and dashes.")
    yield from _labels(metadata, at)


def _labels(metadata: Mapping[str, Any], at: tuple[str | int, ...]) -> Iterator[Finding]:
    for field in ("labels", "annotations"):
        for key, value in metadata.get(field, {}).items():
            if not is_label_key(key) or (field == "labels" and not is_label_value(value)):
                message = f"Kubernetes does not take `{key}: {value}` among the {field}."
                fix = "Use at most 63 letters, digits, dashes, dots and underscores."
                yield Finding((*at, field, key), "wrong", message, fix)


def _job(spec: Any) -> Iterator[Finding]:
    at: tuple[str | int, ...] = ("Job", "spec")
    wrong = list(check_object(spec, "JobSpec", at))
    yield from wrong
    if wrong:
        return
    template = spec["template"]
    pod = template.get("spec") or {}
    yield from _labels(template.get("metadata") or {}, (*at, "template", "metadata"))
    if not pod.get("containers"):
        message = "The pod has no container."
        yield Finding((*at, "template", "spec", "containers"), "missing", message, "Give it one.")
    if pod.get("restartPolicy") not in _POLICIES:
        message = f"`restartPolicy` of a Job's pod is {shown(pod.get('restartPolicy'))}."
        yield Finding((*at, "template", "spec", "restartPolicy"), "wrong", message, f"Use one of {listed(_POLICIES)}.")


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
