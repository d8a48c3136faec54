"""`dbt-af-k8s doctor`: look at the systems around a project, live, and say what would fail and how to mend it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbt_af_k8s.cli.backfill_run import AirflowUrl
from dbt_af_k8s.cli.backfill_submit import KubeConfig, KubeContext
from dbt_af_k8s.cli.options import (
    HERE,
    ConfigFile,
    Format,
    ManifestFile,
    ProfilesDir,
    ProjectDir,
    Target,
    TextOrJson,
    Where,
)
from dbt_af_k8s.cli.terminal import console, counted, safe, write_json
from dbt_af_k8s.errors import ProjectError, UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.cluster.checks import Check
    from dbt_af_k8s.cluster.kubernetes_checks import Place
    from dbt_af_k8s.plan.needs import Needs
    from dbt_af_k8s.plan.sent_pods import SentPod

_MARKS = {"ok": "[fine]✓[/]", "warning": "[warning]![/]", "error": "[error]✗[/]", "skipped": "[soft]-[/]"}
_TITLES = {"versions": "Versions", "project": "Project", "kubernetes": "Kubernetes", "airflow": "Airflow"}
#: Seconds for which an Airflow is asked again that does not answer.
_PATIENCE = 3


def doctor(
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    airflow_url: AirflowUrl = None,
    kube_config: KubeConfig = None,
    context: KubeContext = None,
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            help="A namespace of pods and jobs; several times. Default: those of the project's targets, else the "
            "context's.",
            metavar="NAME",
        ),
    ] = None,
    service_accounts: Annotated[
        list[str] | None,
        typer.Option("--service-account", help="Besides those of the project's targets.", metavar="NAME"),
    ] = None,
    pull: Annotated[
        bool, typer.Option("--pull", help="Start a tiny pod with each image that tasks need, to see whether it comes.")
    ] = False,
    images: Annotated[
        list[str] | None, typer.Option("--image", help="With --pull: this image, too.", metavar="IMAGE")
    ] = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Check what is around the project: versions, the cluster and its permissions, Airflow, its pools and connections.

    Each line says what was found and how to mend it. Works without a cluster, without Airflow and without a project:
    what is not there is skipped. Permissions are those of whoever runs it; run it in a pod of Airflow's workers to
    see theirs. The cluster is asked whether it would take each pod that tasks send.
    Changes nothing, but for the pods of --pull, which it removes. Ends with 1 where something would fail.
    """
    from dbt_af_k8s.cluster.checks import has_errors
    from dbt_af_k8s.cluster.versions import check_versions
    from dbt_af_k8s.k8s.names import is_dns_label

    for name in namespaces or ():
        if not is_dns_label(name):
            raise UsageError(f"{name!r} can be no namespace: use lower-case letters, digits and dashes.")
    where = Where(project_dir, profiles_dir, target, manifest, config)
    project_checks, needs, pods = _project(where)
    asked = _Asked(tuple(namespaces or ()), tuple(service_accounts or ()), tuple(images or ()) if pull else None)
    found = [
        *check_versions(),
        *project_checks,
        *_kubernetes(needs, pods, asked, kube_config, context),
        *_airflow(needs, airflow_url),
    ]
    if output_format is Format.JSON:
        told = [
            {"area": each.area, "name": each.name, "verdict": each.verdict.value, "told": each.told, "fix": each.fix}
            for each in found
        ]
        write_json({"version": 1, "ok": not has_errors(found), "checks": told})
    else:
        _show(found)
    if has_errors(found):
        raise typer.Exit(1)


class _Asked:
    """What the command line adds to the project's needs."""

    def __init__(self, namespaces: tuple[str, ...], accounts: tuple[str, ...], images: tuple[str, ...] | None) -> None:
        self.namespaces = namespaces
        self.accounts = accounts
        #: None: nothing is pulled.
        self.images = images

    def places(self, needs: "Needs", pods: "tuple[SentPod, ...]", default: str) -> "Iterator[Place]":
        """The namespaces to look at; what a target does not name belongs to the first."""
        from dbt_af_k8s.cluster.kubernetes_checks import Place

        spaces = self.namespaces or needs.namespaces or (default,)
        for space in spaces:
            is_first = space == spaces[0]
            accounts = [name for of, name in needs.service_accounts if of == space or (not of and is_first)]
            sent = [each for each in pods if each.namespace == space or (not each.namespace and is_first)]
            images: list[str] = []
            if self.images is not None:
                images = [image for each in sent for image in each.images]
                images += [*needs.images, *self.images] if is_first else []
            yield Place(
                space,
                tuple(dict.fromkeys((*accounts, *self.accounts))),
                tuple(dict.fromkeys(images)),
                tuple((each.task, each.pod) for each in sent),
                any(each.makes_secret for each in sent),
                tuple(dict.fromkeys(name for each in sent for name in each.pull_secrets)),
            )


def _project(where: Where) -> "tuple[list[Check], Needs, tuple[SentPod, ...]]":
    from dbt_af_k8s.cluster.checks import doubtful, fine, skipped, wrong
    from dbt_af_k8s.config.read_templates import template_finder
    from dbt_af_k8s.plan.needs import Needs, needs_of
    from dbt_af_k8s.plan.sent_pods import sent_pods

    area, name = "project", "plan"
    if not (where.project_dir / "dbt_project.yml").exists():
        told = "no dbt project in this folder: what its plan needs is not looked at"
        return [skipped(area, name, told, "Name it with --project-dir.")], Needs(), ()
    try:
        built = where.build()
    except ProjectError as failed:
        told = counted(len(failed.issues), "error")
        return [wrong(area, name, f"cannot be planned: {told}", "dbt-af-k8s check tells all.")], Needs(), ()
    root = where.project_dir.absolute()
    pods = sent_pods(built, lambda folders: template_finder([root / folder for folder in folders]))
    errors = sum(issue.is_error for issue in built.plan.issues)
    tasks = sum(len(dag.tasks) for dag in built.plan.dags)
    line = f"{counted(len(built.plan.dags), 'DAG')}, {counted(tasks, 'task')}"
    if errors:
        told = f"{line}; {counted(errors, 'error')}"
        return [doubtful(area, name, told, "dbt-af-k8s check tells all.")], needs_of(built), pods
    return [fine(area, name, line)], needs_of(built), pods


def _kubernetes(
    needs: "Needs", pods: "tuple[SentPod, ...]", asked: _Asked, kube_config: Path | None, context: str | None
) -> "Iterator[Check]":
    from dbt_af_k8s.cluster.checks import doubtful, has_errors, skipped, wrong
    from dbt_af_k8s.cluster.kubernetes_api import NoClusterError, connect
    from dbt_af_k8s.cluster.kubernetes_checks import AREA, check_place, check_server

    try:
        with connect(os.environ, config_file=kube_config, context=context) as cluster:
            server = check_server(cluster)
            yield from server
            if not has_errors(server[:1]):
                for place in asked.places(needs, pods, cluster.namespace):
                    yield from check_place(cluster, place)
    except NoClusterError as missing:
        told, _, fix = str(missing).partition(". ")
        if kube_config is not None or context is not None or asked.images is not None or asked.namespaces:
            yield wrong(AREA, "cluster", told, fix)
        elif needs.has_kubernetes:
            yield doubtful(AREA, "cluster", f"{told}; a target or runner of the project is Kubernetes", fix)
        else:
            yield skipped(AREA, "cluster", told, fix)
    except UsageError as unusable:
        yield wrong(AREA, "cluster", str(unusable), "Correct the file, or name another one with --kube-config.")


def _airflow(needs: "Needs", airflow_url: str | None) -> "Iterator[Check]":
    from dbt_af_k8s.cluster.airflow_api import AirflowApi
    from dbt_af_k8s.cluster.airflow_checks import AREA, check_airflow
    from dbt_af_k8s.cluster.airflow_login import NoAirflowError, find_login, find_url
    from dbt_af_k8s.cluster.checks import skipped, wrong

    try:
        airflow = AirflowApi(find_url(airflow_url, os.environ), find_login(os.environ), patience=_PATIENCE)
    except NoAirflowError as missing:
        told, _, fix = str(missing).partition(". ")
        yield skipped(AREA, "API", told, fix)
    except UsageError as unusable:
        yield wrong(AREA, "API", str(unusable), "Correct it, and run doctor again.")
    else:
        yield from check_airflow(airflow, needs)


def _show(found: "list[Check]") -> None:
    from rich.padding import Padding

    screen, area = console(), ""
    for each in found:
        if each.area != area:
            screen.print(f"\n[name]{_TITLES[each.area]}[/]" if area else f"[name]{_TITLES[each.area]}[/]")
            area = each.area
        screen.print(f"  {_MARKS[each.verdict.value]} {safe(each.name)}: {safe(each.told)}", soft_wrap=True)
        if each.fix and each.verdict.value != "ok":
            screen.print(Padding(f"[accent]→[/] {safe(each.fix)}", (0, 0, 0, 4)))
    counts = {word: sum(each.verdict.value == word for each in found) for word in ("error", "warning", "skipped")}
    parts = [
        f"[error]{counted(counts['error'], 'error')}[/]" if counts["error"] else "",
        f"[warning]{counted(counts['warning'], 'warning')}[/]" if counts["warning"] else "",
        f"[soft]{counts['skipped']} skipped[/]" if counts["skipped"] else "",
    ]
    screen.print(f"\n{', '.join(part for part in parts if part) or '[fine]✓[/] All is well.'}")
