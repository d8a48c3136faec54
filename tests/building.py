"""Projects in a few words, for tests: values, no files.

`project(model("orders", "raw_orders"), seed("raw_orders"))` is a manifest; `plan_of(...)` its plan.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.settings import Profile, Settings
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.manifest.values import Manifest, Node, Other, Source
from dbt_af_k8s.plan.build import Build, build
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import Plan, TaskPlan
from dbt_af_k8s.plan.verify import verify

PROFILE = Profile(
    name="shop",
    default_target="dev",
    target_types={"dev": "duckdb", "k8s": "kubernetes", "prod": "postgres"},
    python_targets={
        "k8s": {"type": "kubernetes", "image_name": "shop/etl:1", "namespace": "etl"},
    },
)
#: The same with targets for every kind of script.
SCRIPTS = replace(
    PROFILE,
    target_types={**PROFILE.target_types, "job": "kubernetes_job", "env": "venv"},
    python_targets={
        **PROFILE.python_targets,
        "job": {"type": "kubernetes_job"},
        "env": {"type": "venv", "requirements": ["polars==1.30.0"]},
    },
)


def model(
    name: str,
    *refs: str,
    folder: str = "sales",
    package: str = "shop",
    version: str | None = None,
    materialized: str = "table",
    meta: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    tags: tuple[str, ...] = (),
    language: str = "sql",
    group: str | None = None,
    kind: str = "model",
    script: str | None = None,
) -> Node:
    """A model (or seed, or snapshot) that refs others by name, unique_id or `source:name`."""
    file_name = f"{name}.{'py' if language == 'python' else 'sql'}"
    path = f"{folder}/{file_name}" if folder else file_name
    return Node(
        unique_id=f"{kind}.{package}.{name}" + (f".v{version}" if version else ""),
        resource_type=kind,
        name=name,
        package=package,
        path=path,
        file=f"{kind}s/{path}",
        fqn=(package, *folder.split("/"), name, *((f"v{version}",) if version else ())) if folder else (package, name),
        language=language,
        version=version,
        materialized=materialized,
        group=group,
        tags=tags,
        meta=meta or {},
        config={**(config or {}), "meta": dict(meta or {})},
        parents=tuple(_id(ref, package) for ref in refs),
        script=script if script is not None else "print(1)\n" if language == "python" else "",
    )


def foreign(name: str, *refs: str, package: str = "platform", **rest: Any) -> Node:
    """A model that another dbt project builds, as dbt mesh and dbt-loom put it into a manifest."""
    return replace(model(name, *refs, package=package, **rest), path="", file="", fqn=(package, name))


def seed(name: str, *, folder: str = "raw", **rest: Any) -> Node:
    return model(name, folder=folder, kind="seed", materialized="seed", **rest)


def snapshot(name: str, *refs: str, **rest: Any) -> Node:
    return model(name, *refs, kind="snapshot", materialized="snapshot", **rest)


def test(name: str, *refs: str, tags: tuple[str, ...] = (), folder: str = "sales", **rest: Any) -> Node:
    """A data test on the nodes named."""
    return model(name, *refs, kind="test", materialized="test", tags=tags, folder=folder, **rest)


test.__test__ = False  # type: ignore[attr-defined]


def source(name: str, table: str) -> Source:
    return Source(f"source.shop.{name}.{table}", name, table, "shop", "s.yml", "models/s.yml", ("shop", name, table))


def _id(ref: str, package: str) -> str:
    if ref.startswith("source:"):
        return f"source.{package}.{ref.removeprefix('source:')}"
    return ref if "." in ref else f"model.{package}.{ref}"


def project(*entries: Node | Source, others: tuple[Other, ...] = (), **rest: Any) -> Manifest:
    """A manifest of these entries."""
    ordered = sorted(entries, key=lambda entry: entry.unique_id)
    values: dict[str, Any] = {
        "sha256": "0" * 64,
        "schema_version": 12,
        "dbt_version": "1.11.0",
        "project_name": "shop",
        "adapter_type": "duckdb",
        "nodes": {entry.unique_id: entry for entry in ordered if isinstance(entry, Node)},
        "sources": {entry.unique_id: entry for entry in ordered if isinstance(entry, Source)},
        "others": {other.unique_id: other for other in others},
    }
    return Manifest(**{**values, **rest})


def settings_of(written: Mapping[str, Any] | None = None) -> Settings:
    """Settings as a person would write them."""
    settings, issues = resolve_settings(Config.model_validate(written or {}), file="dbt_af_k8s.yml")
    assert not [issue for issue in issues if issue.is_error], issues
    return settings


def inputs_of(
    manifest: Manifest,
    written: Mapping[str, Any] | None = None,
    *,
    profile: Profile = PROFILE,
    target: str | None = None,
) -> PlanInputs:
    return PlanInputs("shop", manifest, settings_of(written), profile, target)


def build_of(
    *entries: Node | Source,
    settings: Mapping[str, Any] | None = None,
    project_of: Mapping[str, Any] | None = None,
    **rest: Any,
) -> Build:
    """Plan these entries; the plan is verified. `project_of` are other fields of the manifest."""
    manifest = project(*entries, **(project_of or {}))
    built = build(inputs_of(manifest, settings, **rest))
    verify(built.plan, manifest)
    return built


def plan_of(*entries: Node | Source, settings: Mapping[str, Any] | None = None, **rest: Any) -> Plan:
    return build_of(*entries, settings=settings, **rest).plan


def tasks_of(plan: Plan, dag_id: str) -> dict[str, TaskPlan]:
    """The tasks of one DAG by id."""
    dag = plan.dag(dag_id)
    assert dag is not None, f"{dag_id} is not among {[known.dag_id for known in plan.dags]}"
    return {task.task_id: task for task in dag.tasks}
