"""What a plan needs of the systems around it: pools, connections, and places in the cluster. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.plan.build import Build

#: Every Airflow has it.
_DEFAULT_POOL = "default_pool"
_KUBERNETES = ("kubernetes", "kubernetes_job")


@dataclass(frozen=True, slots=True)
class Needs:
    """Names, sorted, each once."""

    pools: tuple[str, ...] = ()
    #: Airflow connections to clusters.
    connections: tuple[str, ...] = ()
    #: Of targets in the cluster around Airflow; a target that names none takes Airflow's own.
    namespaces: tuple[str, ...] = ()
    #: Pairs of namespace (empty: Airflow's own) and name.
    service_accounts: tuple[tuple[str, str], ...] = ()
    images: tuple[str, ...] = ()
    #: Whether a target is Kubernetes at all.
    has_kubernetes: bool = False


def needs_of(built: Build) -> Needs:
    """What the plan of a project needs, as far as its tasks' pools and the targets of its profile say."""
    common = built.inputs.settings.kubernetes
    # What all targets have in common stands in the settings; a target's own word goes before it.
    defaults = {
        key: value
        for key, value in (("namespace", common.namespace), ("kubernetes_conn_id", common.kubernetes_conn_id))
        if value is not None
    }
    targets: list[Mapping[str, Any]] = [
        {**defaults, **target}
        for target in built.inputs.profile.python_targets.values()
        if target.get("type") in _KUBERNETES and not common.local
    ]
    here = [target for target in targets if not any(target.get(key) for key in ("kubernetes_conn_id", "context"))]
    tasks = [task for dag in built.plan.dags for task in dag.tasks]
    return Needs(
        pools=_sorted(task.pool for task in tasks if task.pool and task.pool != _DEFAULT_POOL),
        connections=_texts(targets, "kubernetes_conn_id"),
        namespaces=_texts(here, "namespace"),
        service_accounts=tuple(
            sorted(
                {
                    (str(target.get("namespace") or ""), target["service_account"])
                    for target in here
                    if isinstance(target.get("service_account"), str)
                }
            )
        ),
        images=_texts(targets, "image_name"),
        has_kubernetes=bool(targets),
    )


def _texts(targets: Sequence[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    return _sorted(target[key] for target in targets if isinstance(target.get(key), str) and target[key])


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
