"""Why a node is where it is: every decision about it with the rule that made it."""

from dataclasses import dataclass
from difflib import get_close_matches

from dbt_af_k8s.config.settings_runners import RunnerRule, told
from dbt_af_k8s.errors import Issue, UsageError
from dbt_af_k8s.graph.domains import upstream_domains
from dbt_af_k8s.manifest.values import Source
from dbt_af_k8s.names import node_name
from dbt_af_k8s.plan.build import Build
from dbt_af_k8s.plan.values import REPEATING_KINDS, Because, DagKind, DagPlan, TaskKind, TaskPlan

#: Which of a test's parents it is placed with.
_LAST = (
    "the last of its parents: a scheduled one before a manual one, then the larger depth, then the node that it is "
    "declared with, then the larger unique_id"
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that the plan knows of one node."""

    node: str
    resource_type: str
    file: str
    #: DAG and task that run it; None where it has none.
    dag_id: str | None
    task_id: str | None
    #: Why it has no task, or None.
    left_out: str | None
    reasons: tuple[Because, ...]
    issues: tuple[Issue, ...]


def explain(build: Build, name: str) -> tuple[Explanation, ...]:
    """Explain every node that is called so: by unique_id, by name (with or without version), or by its task.

    A task is named by its id, alone or after that of its DAG (`sales__daily.wait__orders`); one that runs no node (a
    wait, an end of a group) is explained itself.

    Raises:
        UsageError: nothing is called so; the message names what comes close.
    """
    manifest = build.inputs.manifest
    entries = {**manifest.nodes, **manifest.sources, **manifest.others, **manifest.exposures}
    found = [key for key in entries if name in _names(build, key)]
    if found:
        return tuple(_explain(build, key) for key in sorted(found))
    tasks = [
        (dag, task)
        for dag in build.plan.dags
        for task in dag.tasks
        if name in (task.task_id, f"{dag.dag_id}.{task.task_id}")
    ]
    if not tasks:
        ids = (task.task_id for dag in build.plan.dags for task in dag.tasks)
        known = sorted({called for key in entries for called in _names(build, key)} | {*ids})
        close = ", ".join(f"`{text}`" for text in get_close_matches(name, known, 3))
        raise UsageError(f"No node and no task is called `{name}`." + (f" Close: {close}." if close else ""))
    nodes = sorted({key for _, task in tasks for key in task.nodes if key in entries})
    alone = (_explain_task(dag, task) for dag, task in tasks if not task.nodes)
    return (*(_explain(build, key) for key in nodes), *alone)


def _names(build: Build, key: str) -> tuple[str, ...]:
    manifest = build.inputs.manifest
    if key in manifest.sources:
        source = manifest.sources[key]
        return (key, f"{source.source_name}.{source.name}")
    node = manifest.nodes.get(key)
    return (key,) if node is None else (key, node.name, node_name(node.name, node.version))


def _explain_task(dag: DagPlan, task: TaskPlan) -> Explanation:
    """A task that runs no node of dbt."""
    reasons = [Because("DAG", dag.dag_id, "the tasks behind it are there")]
    wanted = task.waits_for
    if wanted is not None:
        which = "the last run" if wanted.policy == "last" else "all runs"
        reasons += [
            Because("waits for", f"{wanted.task_id} of {wanted.dag_id}", task.because or f"it builds {wanted.node}"),
            Because("runs there", f"{which}, {wanted.cron} ({wanted.timezone})", "the calendar of that DAG"),
        ]
    reasons += [Because("comes after", upstream, "an edge of the plan") for upstream in task.upstream]
    behind = [other.task_id for other in dag.tasks if task.task_id in other.upstream]
    reasons += [Because("comes before", other, "an edge of the plan") for other in behind]
    return Explanation(task.task_id, task.kind.value, "", dag.dag_id, task.task_id, None, tuple(reasons), ())


def _explain(build: Build, key: str) -> Explanation:
    manifest = build.inputs.manifest
    if key in manifest.sources:
        return _explain_source(build, manifest.sources[key])
    entry = manifest.nodes.get(key) or manifest.others.get(key)
    left_out = next((entry.because for entry in build.plan.left_out if entry.node == key), None)
    building = [dag for dag in build.plan.dags if dag.kind not in (*REPEATING_KINDS, DagKind.MAINTENANCE)]
    place = next(((dag, task) for dag in building for task in dag.tasks if key in task.nodes), None)
    return Explanation(
        node=key,
        resource_type=entry.resource_type if entry else "exposure",
        file=entry.file if entry else manifest.exposures[key].file,
        dag_id=place[0].dag_id if place else None,
        task_id=place[1].task_id if place else None,
        left_out=left_out,
        reasons=(*_decided(build, key), *(_around(build, key, *place) if place else ())),
        issues=tuple(issue for issue in build.plan.issues if issue.node == key),
    )


def _explain_source(build: Build, source: Source) -> Explanation:
    """A source: where its freshness is checked, and who reads it."""
    key = source.unique_id
    checks = [(dag, task) for dag in build.plan.dags for task in dag.tasks if key in task.nodes]
    reasons = [Because("checked in", dag.dag_id, f"task {task.task_id}, {task.kind.value}") for dag, task in checks]
    readers = sorted(each.unique_id for each in build.inputs.manifest.nodes.values() if key in each.parents)
    reasons += [Because("read by", reader, "source() in it") for reader in readers]
    return Explanation(
        node=key,
        resource_type="source",
        file=source.file,
        dag_id=checks[0][0].dag_id if checks else None,
        task_id=checks[0][1].task_id if checks else None,
        left_out=None if checks else "dbt reads it and does not build it",
        reasons=tuple(reasons),
        issues=tuple(issue for issue in build.plan.issues if issue.node == key),
    )


def _decided(build: Build, key: str) -> tuple[Because, ...]:
    decision = build.decisions.nodes.get(key)
    if decision is None:
        return ()
    schedule = decision.schedule.schedule
    when = f"{schedule.name} ({schedule.cron}, {schedule.timezone})" if schedule.cron else schedule.name
    beside = build.decisions.placements[key].beside if key in build.decisions.placements else None
    placed = [Because("placed with", beside, _LAST)] if beside else []
    above = upstream_domains(build.decisions.graph, {n: d.domain.domain for n, d in build.decisions.nodes.items()})
    reads = above.get(decision.domain.domain, ())
    return (
        *placed,
        Because("domain", decision.domain.domain, decision.domain.because),
        *((Because("reads domains", ", ".join(reads), "refs of all nodes of the domain"),) if reads else ()),
        Because("schedule", when, decision.schedule.because),
        Because("target", decision.target.target or "dbt's default", decision.target.because),
        Because("runner", _runner(decision.runner.rule), decision.runner.because),
    )


def _runner(rule: RunnerRule) -> str:
    options = told(rule.options)
    return f"{rule.runner} ({options})" if options else rule.runner


def _window(task: TaskPlan) -> tuple[Because, ...]:
    """When the node is enabled, where it is not always."""
    bounds = (("enable_from_dttm", "from", task.enable_from), ("disable_from_dttm", "until", task.disable_from))
    given = [(key, f"{word} {moment:%Y-%m-%d %H:%M}") for key, word, moment in bounds if moment is not None]
    if not given:
        return ()
    keys = " and ".join(f"`{key}`" for key, _ in given)
    when = " ".join(text for _, text in given)
    return (Because("enabled", f"{when} UTC", f"{keys} of the node: runs outside are skipped"),)


def _script(task: TaskPlan, *, is_changed: bool) -> tuple[Because, ...]:
    """What the pod, the job or the environment of a script is made of, in a few words."""
    own = " and the node's `kubernetes`" if is_changed else ""
    if task.pod is not None:
        target = task.pod.target
        limits = ", ".join(f"{key} {amount}" for key, amount in target.limits.items()) or "no limits"
        where = f"target `{target.name}`{own}"
        return (
            Because("image", target.image, where),
            Because("namespace", target.namespace or "that of the connection, else Airflow's", where),
            Because("resources", limits, where),
            Because("script from", target.script_from, where),
        )
    if task.job is not None:
        job, where = task.job.target, f"target `{task.job.target.name}`{own}"
        return (
            Because("template", job.template or "none", where),
            Because("namespace", job.namespace or "that of the template, else the connection's, else Airflow's", where),
        )
    if task.dbt_pod is not None:
        of_dbt = task.dbt_pod.target
        amounts = ", ".join(f"{key} {amount}" for key, amount in of_dbt.limits.items()) or "no limits"
        row = f"`pod` of `{of_dbt.name}` in `runners`" if of_dbt.name else "the node's own `runner`"
        return (Because("image", of_dbt.image, row), Because("resources", amounts, row))
    if task.venv is not None:
        found = ", ".join(task.venv.target.requirements) or "none"
        return (Because("requirements", found, f"target `{task.venv.target.name}`"),)
    return ()


def _around(build: Build, key: str, dag: DagPlan, task: TaskPlan) -> tuple[Because, ...]:
    tasks = {other.task_id: other for other in dag.tasks}
    decision = build.decisions.nodes.get(key)
    is_changed = decision is not None and bool(decision.settings.kubernetes)
    script = _script(task, is_changed=is_changed)
    reasons = [Because("DAG", dag.dag_id, "domain and schedule of the node"), *_window(task), *script]
    for upstream in task.upstream:
        other = tasks[upstream]
        if other.waits_for is not None:
            where = f"{other.waits_for.task_id} of {other.waits_for.dag_id}"
            reasons.append(Because("waits for", where, other.because))
        elif other.claim is not None:
            reasons.append(Because("comes after", upstream, "it makes the volume claim"))
        else:
            reasons.append(
                Because("comes after", upstream, f"it builds or tests {', '.join(other.nodes) or 'a group'}")
            )
    reasons += [Because("does not wait for", gap.node, gap.because) for gap in task.not_waited if gap.downstream == key]
    if task.kind is TaskKind.BUILD:
        others = ", ".join(node for node in task.nodes if node != key)
        reasons.append(Because("runs together with", others, task.because.partition("; ")[0]))
    laid_out = build.layout.tasks_of.get(key)
    runs_in = {node: other.task_id for other in dag.tasks for node in other.nodes}
    for test in laid_out.tests if laid_out else ():
        where = runs_in.get(test.tests[0], test.task_id)
        reasons.append(
            Because("tested by", where, f"{len(test.tests)} test(s) placed with it: {', '.join(test.tests)}")
        )
    if laid_out is not None and laid_out.done != laid_out.task_id:
        done = laid_out.done if laid_out.done in tasks else runs_in.get(laid_out.tests[0].tests[0], laid_out.done)
        reasons.append(Because("done after", done, "what is downstream waits for its blocking tests"))
    return tuple(reasons)
