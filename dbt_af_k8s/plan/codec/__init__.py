"""The plan as JSON and back: a stable, versioned contract that other tools read.

Keys stand in a fixed order, lists in the plan's own order, free objects sorted by key: the same plan gives the same
bytes. The keys of the contract are always there; further fields are left out where they have their default. Reading
ignores keys that it does not know, so that a plan of a later release of the same version can be read.
"""

import json
from typing import Any

from dbt_af_k8s.config.settings_integrations import CallbackSettings
from dbt_af_k8s.errors import Issue, Severity
from dbt_af_k8s.plan.codec.callbacks import callbacks_to_dict, read_callbacks
from dbt_af_k8s.plan.codec.fields import Fields, PlanFormatError, write_moment
from dbt_af_k8s.plan.codec.task import given, plain, read_task, task_to_dict
from dbt_af_k8s.plan.values import PLAN_VERSION, ArtifactsPlan, DagKind, DagPlan, FormField, LeftOut, Plan

__all__ = ["PlanFormatError", "from_json", "issue_to_dict", "plan_from_dict", "plan_to_dict", "to_json"]


def to_json(plan: Plan, *, indent: int | None = 2) -> str:
    """The plan as JSON text that ends in a newline; `indent=None` gives one line.

    Raises `PlanFormatError` where the plan holds what JSON cannot: a time without zone, an `executor_config` with
    other than plain values.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(plan_to_dict(plan), ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    except (TypeError, ValueError, RecursionError) as reason:
        raise PlanFormatError(f"The plan cannot be written as JSON: {reason}") from reason
    # A lone surrogate (a manifest can hold one) is no UTF-8; as the escape `\ud800` it is the same JSON text.
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def from_json(text: str) -> Plan:
    """The plan that `to_json` wrote.

    Raises `PlanFormatError` for text that is no plan, is cut off, or is of another version.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as reason:
        where = f"line {reason.lineno}, column {reason.colno}"
        raise PlanFormatError(f"This is no plan: the text is not JSON or is cut off ({reason.msg}, {where}).") from None
    except (ValueError, RecursionError) as reason:
        raise PlanFormatError(f"This is no plan: the JSON cannot be read ({reason}).") from None
    return plan_from_dict(data)


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """The plan as plain dicts, lists, texts and numbers, keys in the order of the contract."""
    further: dict[str, Any] = {}
    if plan.pools:
        further["pools"] = {
            name: {"slots": slots, "description": description}
            for name, (slots, description) in sorted(plan.pools.items())
        }
    return {
        "version": plan.version,
        "project": plan.project,
        "manifest": {"sha256": plan.manifest_sha256, "dbt_version": plan.dbt_version},
        "dags": [dag_to_dict(dag) for dag in plan.dags],
        "left_out": [{"node": left.node, "because": left.because} for left in plan.left_out],
        "issues": [issue_to_dict(issue) for issue in plan.issues],
        **further,
    }


def issue_to_dict(issue: Issue) -> dict[str, Any]:
    """One issue as in the plan's JSON."""
    return {
        "severity": issue.severity.value,
        "code": issue.code,
        "file": issue.file,
        "node": issue.node,
        "key": issue.key,
        "message": issue.message,
        "fix": issue.fix,
        "line": issue.line,
        "column": issue.column,
    }


def plan_from_dict(data: object) -> Plan:
    """The plan that `plan_to_dict` wrote. Raises `PlanFormatError`."""
    if not isinstance(data, dict) or "version" not in data:
        raise PlanFormatError("This is no plan: a plan is a JSON object with a `version`.")
    fields = Fields(data)
    version = fields.integer("version", 0)
    if version != PLAN_VERSION:
        raise PlanFormatError(
            f"This plan is of version {version}; this release reads version {PLAN_VERSION}. "
            "Write it again with `dbt-af-k8s plan --format json`, or read it with the release that wrote it."
        )
    manifest = fields.inner("manifest")
    pools = Fields(fields.mapping("pools"), "pools") if "pools" in data else Fields({})
    return Plan(
        project=fields.text("project"),
        manifest_sha256=manifest.text("sha256"),
        dbt_version=manifest.text("dbt_version"),
        dags=tuple(_read_dag(dag) for dag in fields.items("dags", required=True)),
        left_out=tuple(LeftOut(left.text("node"), left.text("because")) for left in fields.items("left_out")),
        issues=tuple(_read_issue(issue) for issue in fields.items("issues")),
        pools={name: _read_pool(pools.inner(name)) for name in pools.data},
        version=version,
    )


def dag_to_dict(dag: DagPlan) -> dict[str, Any]:
    """One DAG as in the plan's JSON."""
    return {
        "dag_id": dag.dag_id,
        "kind": dag.kind.value,
        "domain": dag.domain,
        "schedule": dag.schedule,
        "schedule_name": dag.schedule_name,
        "timezone": dag.timezone,
        "start_date": write_moment(dag.start_date),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        **given({"max_active_tasks": (dag.max_active_tasks, None)}),
        "tags": list(dag.tags),
        "owner": dag.owner,
        **given({"doc_md": (dag.doc_md, "")}),
        "tasks": [task_to_dict(task) for task in dag.tasks],
        **given({"callbacks": (dag.callbacks, CallbackSettings())}, callbacks_to_dict),
        **given({"artifacts": (dag.artifacts, None)}, _artifacts),
        **given({"form": (dag.form, ())}, lambda form: [_form_field(each) for each in form]),
        **given({"problems": (dag.problems, ())}, lambda problems: [issue_to_dict(issue) for issue in problems]),
    }


def dag_from_dict(data: object) -> DagPlan:
    """The DAG that `dag_to_dict` wrote. Raises `PlanFormatError`."""
    if not isinstance(data, dict):
        raise PlanFormatError("This is no DAG of a plan: it is not a JSON object.")
    return _read_dag(Fields(data))


def _artifacts(artifacts: ArtifactsPlan) -> dict[str, Any]:
    return {
        "provider": artifacts.provider,
        "project": artifacts.project,
        **given({"options": (artifacts.options, {})}, plain),
        **given({"required": (artifacts.required, False)}),
    }


def _read_artifacts(fields: Fields) -> ArtifactsPlan:
    return ArtifactsPlan(
        provider=fields.text("provider"),
        project=fields.text("project"),
        options=fields.mapping("options") if "options" in fields.data else {},
        required=fields.boolean("required", False),
    )


def _read_dag(fields: Fields) -> DagPlan:
    callbacks, artifacts = fields.optional_inner("callbacks"), fields.optional_inner("artifacts")
    return DagPlan(
        dag_id=fields.text("dag_id"),
        kind=fields.choice("kind", DagKind),
        domain=fields.text("domain"),
        schedule=fields.optional_text("schedule"),
        schedule_name=fields.text("schedule_name"),
        timezone=fields.text("timezone"),
        start_date=fields.moment("start_date"),
        catchup=fields.boolean("catchup", False),
        max_active_runs=fields.integer("max_active_runs", 1),
        max_active_tasks=fields.optional_integer("max_active_tasks"),
        tags=fields.texts("tags"),
        owner=fields.text_or("owner", "dbt"),
        doc_md=fields.text_or("doc_md", ""),
        tasks=tuple(read_task(task) for task in fields.items("tasks", required=True)),
        callbacks=read_callbacks(callbacks) if callbacks else CallbackSettings(),
        artifacts=_read_artifacts(artifacts) if artifacts else None,
        form=tuple(_read_form_field(each) for each in fields.items("form")),
        problems=tuple(_read_issue(issue) for issue in fields.items("problems")),
    )


def _form_field(field: FormField) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.type,
        "title": field.title,
        "description": field.description,
        "default": field.default,
        **given({"choices": (field.choices, ())}, list),
    }


def _read_form_field(fields: Fields) -> FormField:
    default = fields.data.get("default")
    return FormField(
        name=fields.text("name"),
        type=fields.text("type"),
        title=fields.text("title"),
        description=fields.text("description"),
        default=fields.boolean("default", False) if isinstance(default, bool) else fields.optional_text("default"),
        choices=fields.texts("choices"),
    )


def _read_issue(fields: Fields) -> Issue:
    return Issue(
        severity=fields.choice("severity", Severity),
        code=fields.text("code"),
        message=fields.text("message"),
        fix=fields.text("fix"),
        file=fields.optional_text("file"),
        node=fields.optional_text("node"),
        key=fields.optional_text("key"),
        line=fields.optional_integer("line"),
        column=fields.optional_integer("column"),
    )


def _read_pool(fields: Fields) -> tuple[int, str]:
    return fields.integer("slots", 1), fields.text_or("description", "")
