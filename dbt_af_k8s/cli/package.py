"""`dbt-af-k8s package install`: our dbt package, with the maintenance macros, into a dbt project."""

from dbt_af_k8s.cli.options import HERE, Format, ProjectDir, TextOrJson
from dbt_af_k8s.cli.terminal import console, safe, write_json


def package_install(
    project_dir: ProjectDir = HERE,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Put the maintenance macros into the project's packages folder, or bring them up to date.

    Run it where the project's packages are installed, after `dbt deps`, which empties that folder. Nothing is
    downloaded, and no file is touched that did not come from here.
    """
    from dbt_af_k8s.dbt.maintenance_package import install_package

    root = project_dir.absolute()
    folder = install_package(root)
    if output_format is Format.JSON:
        write_json({"version": 1, "folder": str(folder)})
        return
    named = folder.relative_to(root) if folder.is_relative_to(root) else folder
    screen = console()
    screen.print(f"[fine]✓[/] {safe(str(named))} has the maintenance macros.", soft_wrap=True)
    screen.print("[soft]Next: `dbt parse`, so that the manifest has them, too.[/]")
