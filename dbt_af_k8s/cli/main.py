"""The program `dbt-af-k8s`: its commands, and the one place where errors become messages and exit codes.

Exit codes: 0 fine, 1 findings, 2 usage or unreadable input, 70 a fault of this program, 130 stopped by Ctrl-C, and as
shells have it 128 and the number of any other signal.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer
from typer.core import TyperGroup

from dbt_af_k8s import __version__
from dbt_af_k8s.cli.backfill import backfill_plan
from dbt_af_k8s.cli.backfill_render import backfill_render
from dbt_af_k8s.cli.backfill_run import backfill_run
from dbt_af_k8s.cli.backfill_submit import backfill_submit
from dbt_af_k8s.cli.check import check
from dbt_af_k8s.cli.compile import compile_plan
from dbt_af_k8s.cli.doctor import doctor
from dbt_af_k8s.cli.explain import explain
from dbt_af_k8s.cli.graph import graph
from dbt_af_k8s.cli.init import init
from dbt_af_k8s.cli.package import package_install
from dbt_af_k8s.cli.plan import plan
from dbt_af_k8s.cli.pools import pools
from dbt_af_k8s.cli.render import render
from dbt_af_k8s.cli.run import run
from dbt_af_k8s.cli.serve import serve
from dbt_af_k8s.cli.stopping import Stopped, StopSignals, leave, silence
from dbt_af_k8s.cli.terminal import console, print_issues, safe
from dbt_af_k8s.cli.times import times
from dbt_af_k8s.cli.waits import waits
from dbt_af_k8s.errors import DbtAfK8sError, PlanInvariantError, ProjectError

FINDINGS = 1
UNREADABLE = 2
FAULT = 70
STOPPED = 130
DEBUG = "DBT_AF_K8S_DEBUG"


class _Program(TyperGroup):
    """The group of commands; turns every error into a message without traceback."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except ProjectError as reason:
            print_issues(reason.issues, stderr=True)
            raise typer.Exit(UNREADABLE) from reason
        except PlanInvariantError as reason:
            _tell_fault(reason)
            raise typer.Exit(FAULT) from reason
        except DbtAfK8sError as reason:
            _tell(str(reason))
            raise typer.Exit(UNREADABLE) from reason
        except BrokenPipeError as reason:
            silence()
            raise typer.Exit(0) from reason
        except OSError as reason:
            _tell(f"{reason.strerror or reason}: {reason.filename}" if reason.filename else str(reason))
            raise typer.Exit(UNREADABLE) from reason
        except Stopped:
            # To `main`, which writes nothing that could hold it up.
            raise
        except KeyboardInterrupt as reason:
            console(stderr=True).print("Stopped.")
            raise typer.Exit(STOPPED) from reason
        except Exception as reason:
            if type(reason).__module__.startswith(("typer", "click")):
                raise _without_prefix(reason) from None
            _tell_fault(reason)
            raise typer.Exit(FAULT) from reason


def _without_prefix(reason: Exception) -> Exception:
    """The same mistake of a command line, without the words that pydantic puts before what a check says."""
    message = getattr(reason, "message", None)
    if isinstance(message, str):
        reason.message = message.removeprefix("Value error, ")  # type: ignore[attr-defined]
    return reason


def _tell(message: str) -> None:
    console(stderr=True).print(f"[error]Error:[/] {safe(message)}")


def _tell_fault(reason: Exception) -> None:
    """Say that this is our fault, and how to report it."""
    screen = console(stderr=True)
    first = (str(reason).splitlines() or [""])[0]
    screen.print(f"[error]A fault of dbt-af-k8s {__version__}:[/] {safe(f'{type(reason).__name__}: {first}')}")
    if os.environ.get(DEBUG):
        screen.print_exception()
    else:
        screen.print(
            f"[soft]Please report it with the command, the versions of dbt and Airflow, and the output that "
            f"{DEBUG}=1 adds.[/]"
        )


HELP = "A dbt project as Airflow DAGs: one per domain and schedule, each node where its target says."
COMMANDS: Mapping[str, Callable[..., None]] = {
    "compile": compile_plan,
    "plan": plan,
    "check": check,
    "explain": explain,
    "waits": waits,
    "graph": graph,
    "render": render,
    "run": run,
    "pools": pools,
    "doctor": doctor,
    "serve": serve,
    "times": times,
    "init": init,
}
#: Commands of two words, by their first and second one.
GROUPS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "backfill": {"plan": backfill_plan, "render": backfill_render, "submit": backfill_submit, "run": backfill_run},
    "package": {"install": package_install},
}
GROUP_HELP = {
    "backfill": "Fill a range of time in a domain anew, here or by a one-time job in Kubernetes.",
    "package": "The dbt package with the maintenance macros.",
}

app = typer.Typer(
    cls=_Program,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
    epilog="Exit codes: 0 fine, 1 findings, 2 usage or unreadable input.",
)
for name, command in COMMANDS.items():
    app.command(name, no_args_is_help=False)(command)
for word, commands in GROUPS.items():
    group = typer.Typer(no_args_is_help=True, help=GROUP_HELP[word])
    for second, subcommand in commands.items():
        group.command(second, no_args_is_help=False)(subcommand)
    # A group with one command keeps its second word.
    group.callback()(lambda: None)
    app.add_typer(group, name=word)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dbt-af-k8s {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line. The entry point `dbt-af-k8s`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding gets a question mark, not an end of the program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    signals = StopSignals()
    signals.listen()
    try:
        app(prog_name="dbt-af-k8s")
    except BaseException:
        # Also what came while the program was ending for another reason.
        if signals.exit_code is not None:
            leave(signals.exit_code, "Stopped.\n")
        raise
