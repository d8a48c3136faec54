"""The `kubernetes_job` target of profiles.yml, and a node's changes to it, read with every problem told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.config.problems import Finding, dotted, findings
from dbt_af_k8s.config.wording import quoted, shown
from dbt_af_k8s.errors import Issue, UsageError, error
from dbt_af_k8s.jobs.tail import tail_settings
from dbt_af_k8s.jobs.template import is_template_name
from dbt_af_k8s.jobs.values import JobTarget, VolumeClaim
from dbt_af_k8s.jobs.written import JobTargetWritten, NodeJobWritten
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.k8s.node_reach import beyond_node


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a target, or a change of it, is written: the key above, the file, and the node."""

    prefix: str
    file: str
    node: str | None = None

    def tell(self, found: list[Finding]) -> tuple[Issue, ...]:
        issues = []
        for finding in found:
            code = "unknown-kubernetes-key" if finding.kind == "unknown" else "bad-kubernetes-target"
            below = dotted(finding.path)
            key = f"{self.prefix}.{below}" if below else self.prefix
            issues.append(error(code, finding.message, finding.fix, file=self.file, node=self.node, key=key))
        return tuple(issues)


def read_job_target(output: Mapping[str, Any], *, name: str, file: str) -> tuple[JobTarget | None, tuple[Issue, ...]]:
    """Read the output `name` of a profile, of type `kubernetes_job`, rendered; `file` is for messages.

    None where an error is among the issues. Every problem is told, not only the first.
    """
    return _read(name, output, _Place(f"outputs.{dotted((name,))}", file))


def job_target_for_node(
    target: JobTarget, changes: Mapping[str, Any], *, node: str, file: str, place: str = "meta.kubernetes"
) -> tuple[JobTarget | None, tuple[Issue, ...]]:
    """The target with a node's changes: the keys are those of `NodeJobWritten`.

    `node` is its unique_id, `place` where the changes stand. `template_fields` are merged key by key, everything else
    is replaced, and a null removes what the target says. A node's template lies in a search path of its target.
    """
    at = _Place(place, file, node)
    found = [*beyond_node(changes, JobTargetWritten, NodeJobWritten), *_leading_out(changes)]
    if found:
        return None, at.tell(found)
    merged = {**target.written, **changes}
    fields = changes.get("template_fields")
    if isinstance(fields, Mapping):
        both = {**target.written.get("template_fields", {}), **fields}
        merged["template_fields"] = {key: value for key, value in both.items() if value is not None}
    return _read(target.name, {key: value for key, value in merged.items() if value is not None}, at)


def without_template(target: JobTarget, *, node: str, file: str) -> tuple[Issue, ...]:
    """The error of a node whose target names no template."""
    if target.template is not None:
        return ()
    message = f"Neither the node nor its target `{target.name}` names the template of the job."
    fix = "Write `template: jobs/NAME.yml` in the node's `meta.kubernetes`, or in the target."
    return (error("bad-kubernetes-target", message, fix, file=file, node=node, key="meta.kubernetes.template"),)


def _read(name: str, output: Mapping[str, Any], place: _Place) -> tuple[JobTarget | None, tuple[Issue, ...]]:
    try:
        written = JobTargetWritten.model_validate(dict(output))
    except ValidationError as failed:
        return None, place.tell(findings(failed, JobTargetWritten))
    found = list(_contradictions(written))
    if found:
        return None, place.tell(found)
    claim = written.volume_claim
    return JobTarget(
        name=name,
        template=written.template,
        fields=written.template_fields,
        search_paths=written.search_paths,
        namespace=written.namespace,
        cluster=ClusterAccess(written.kubernetes_conn_id, written.config_file, written.context, written.in_cluster),
        name_suffix=written.name_suffix,
        tail=tail_settings(*_tail_keys(written)),
        delete_completed=written.delete_completed,
        write_rendered_to=written.write_rendered_to,
        on_kill_action=written.on_kill_action,
        poll_every=written.poll_every,
        startup_timeout=written.startup_timeout,
        deferrable=written.deferrable,
        claim=None if claim is None else VolumeClaim(**claim.model_dump()),
        written={key: value for key, value in output.items() if value is not None},
    ), ()


def _tail_keys(written: JobTargetWritten) -> tuple[bool | None, int | None, int | None, bool | None]:
    return (
        written.tail_logs,
        written.tail_logs_every,
        written.tail_logs_line_count,
        written.tail_logs_only_at_end,
    )


def _contradictions(written: JobTargetWritten) -> Iterator[Finding]:
    for key in ("config_file", "context"):
        if written.in_cluster and getattr(written, key) is not None:
            message = f"`in_cluster: true` and `{key}` name two clusters."
            yield Finding((key,), "wrong", message, "Remove one of the two.")
    try:
        tail_settings(*_tail_keys(written))
    except UsageError as told:
        message, _, fix = str(told).partition(". ")
        yield Finding(("tail_logs",), "wrong", f"{message}.", fix or "Write 1 or more.")
    template = written.template
    if template is not None and not is_template_name(template.removeprefix("/")):
        message = f"{quoted(template)} is no name of a template."
        yield Finding(("template",), "wrong", message, "Write a path without `..`, such as `jobs/export.yml`.")
    for name in written.template_fields:
        if not name.isidentifier():
            message = f"A template cannot use a field called {quoted(name)}."
            fix = "Use letters, digits and underscores, and begin with no digit."
            yield Finding(("template_fields", name), "wrong", message, fix)
    for path, value in _no_json(written.template_fields):
        message = f"`{dotted(('template_fields', *path))}` cannot be kept in a plan, found {shown(value)}."
        yield Finding(("template_fields", *path), "wrong", message, "Put it in quotes.")


def _no_json(fields: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Values that JSON has no word for, such as dates, and keys that are no text."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), fields)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Mapping):
            strange = [key for key in value if not isinstance(key, str)]
            yield from (((*path, str(key)), key) for key in strange)
            stack.extend(((*path, key), below) for key, below in value.items() if isinstance(key, str))
        elif isinstance(value, list | tuple):
            stack.extend(((*path, number), below) for number, below in enumerate(value))
        elif value is not None and not isinstance(value, str | int | float | bool):
            yield path, value


def _leading_out(changes: Mapping[str, Any]) -> Iterator[Finding]:
    """What of a node's job lies outside of the project, or belongs to others."""
    template = changes.get("template")
    if isinstance(template, str) and template.startswith("/"):
        message = f"A node's template is found in a search path, and {quoted(template)} is a full path."
        yield Finding(("template",), "wrong", message, "Put its folder into the target's `search_paths`.")
    claim = changes.get("volume_claim")
    if isinstance(claim, Mapping) and claim.get("keep"):
        message = "A node's claim is made for one run: `keep` would take one of this name that is there."
        yield Finding(("volume_claim", "keep"), "wrong", message, "Write the whole `volume_claim` in the target.")
