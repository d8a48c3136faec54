"""Containers that go on beside the work of a Job: it completes only when all containers of its pod have ended.

Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#jobs-with-sidecar-containers and the
pages of the meshes and agents about jobs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.jobs.verdict import Progress

#: Seconds for which a container may go on when another one of its pod has ended, before that is told.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Injection:
    """An annotation or label that lets a cluster add a container to a pod."""

    key: str
    value: str
    #: What lets the container end with the others, as an annotation or label and its value.
    unless: tuple[str, str]

    @property
    def pattern(self) -> re.Pattern[str]:
        """The line of a template that says so."""
        return re.compile(rf"^\s*[\"']?{re.escape(self.key)}[\"']?\s*:\s*[\"']?{self.value}\b", re.MULTILINE)


_INJECTIONS = (
    Injection("linkerd.io/inject", "enabled", ("config.beta.linkerd.io/proxy-enable-native-sidecar", "true")),
    Injection("sidecar.istio.io/inject", "true", ("sidecar.istio.io/nativeSidecar", "true")),
    Injection("vault.hashicorp.com/agent-inject", "true", ("vault.hashicorp.com/agent-pre-populate-only", "true")),
)
#: Names of containers that serve others and have no end of their own.
_SERVERS = re.compile(r"(istio|linkerd|envoy|cloud-?sql|alloydb|auth|sql)-proxy|envoy|vault-agent|fluent-?bit|fluentd")


def sidecar_advice(job: Mapping[str, Any], *, node: str | None = None) -> Iterator[Issue]:
    """Warnings about a Job that is to be sent whose pods hold a container that does not end."""
    template = (job.get("spec") or {}).get("template") or {}
    spec, metadata = template.get("spec") or {}, template.get("metadata") or {}
    told = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    for each in _INJECTIONS:
        if str(told.get(each.key)) == each.value and str(told.get(each.unless[0])) != each.unless[1]:
            yield _of_injection(each, node=node, key=f"spec.template.metadata.{each.key}")
    containers = spec.get("containers") or ()
    for container in containers if len(containers) > 1 else ():
        name = str(container.get("name"))
        if _SERVERS.fullmatch(name):
            yield warning(
                "job-never-completes",
                f"The container `{name}` goes on when the Job's work has ended, and the Job completes only when all "
                "containers have.",
                "Make it a sidecar of Kubernetes: move it to `initContainers`, with `restartPolicy: Always`.",
                node=node,
                key="spec.template.spec.containers",
            )


def injection_advice(text: str, *, file: str, node: str) -> Iterator[Issue]:
    """The same of a template that is not rendered, as far as its text shows it."""
    for each in _INJECTIONS:
        if each.pattern.search(text) and each.unless[0] not in text:
            yield _of_injection(each, file=file, node=node)


def _of_injection(injection: Injection, **where: Any) -> Issue:
    key, value = injection.unless
    return warning(
        "job-never-completes",
        f"`{injection.key}: {injection.value}` adds a container that goes on when the Job's work has ended, and the "
        "Job completes only when all containers have.",
        f'Write `{key}: "{value}"` beside it, or remove it.',
        **where,
    )


def held_up(pods: Iterable[Mapping[str, Any]], now: datetime, patience: float = PATIENCE) -> Iterator[tuple[str, str]]:
    """Pods of which one container has ended for longer than `patience` (seconds), and others go on: name and words."""
    for pod in pods:
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        states = {str(each.get("name")): each.get("state") or {} for each in statuses}
        go_on = [name for name, state in states.items() if "running" in state]
        ended = {name: state["terminated"] for name, state in states.items() if state.get("terminated")}
        ends = [datetime.fromisoformat(str(state["finishedAt"])) for state in ended.values() if state.get("finishedAt")]
        if go_on and ends and (now - max(ends)).total_seconds() >= patience:
            name = str(pod["metadata"]["name"])
            done = ", ".join(f"{each} (exit code {ended[each].get('exitCode')})" for each in ended)
            yield name, f"Pod {name}: {done} has ended, and {', '.join(go_on)} goes on: the Job cannot complete before."


class HeldUp:
    """When whoever waits for a Job asks for its pods on this account, which costs a request, and what is news then."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._told: set[str] = set()

    def is_due(self, progress: Progress, seconds: float) -> bool:
        """Whether pods have run and not been ready for so long; `seconds` are those of a clock that never goes back."""
        if progress.active <= progress.ready:
            self._since = None
        elif self._since is None:
            self._since = seconds
        elif seconds - self._since >= PATIENCE:
            self._since = seconds
            return True
        return False

    def news(self, pods: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
        """One line for each pod that is held up and was not told of yet."""
        found = dict(held_up(pods, now, PATIENCE))
        lines = [found[pod] for pod in sorted(set(found) - self._told)]
        self._told |= set(found)
        return lines
