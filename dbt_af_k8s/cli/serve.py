"""`dbt-af-k8s serve`: dbt behind an HTTP API."""

import importlib.util
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from dbt_af_k8s.cli.terminal import write_text
from dbt_af_k8s.errors import UsageError

#: What the server imports besides the base dependencies, all in the extra `server`.
_NEEDED = ("fastapi", "uvicorn", "jwt")


def serve(
    config: Annotated[
        Path,
        typer.Option("--config", help="Settings of the server.", metavar="FILE", envvar="DBT_AF_K8S_SERVER_CONFIG"),
    ] = Path("server.yml"),
    host: Annotated[
        str | None, typer.Option("--host", help="Instead of the settings' `host`.", metavar="ADDRESS")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", help="Instead of the settings' `port`.", metavar="NUMBER", min=0, max=65535),
    ] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let everybody in. Only on a loopback address.")] = False,
    new_token: Annotated[
        str | None,
        typer.Option(
            "--new-token", help="Make an API token, print it with its line for the settings, and leave.", metavar="NAME"
        ),
    ] = None,
    hash_password: Annotated[
        bool, typer.Option("--hash-password", help="Ask for a password, print its hash for the settings, and leave.")
    ] = False,
) -> None:
    """Run dbt for others: a queue, warm dbt processes, and the HTTP API of dbt's own server.

    Needs the extra `server`. Ends on SIGTERM, and lets what runs end first.
    """
    from dbt_af_k8s.server.secrets_hashed import new_token as made_token
    from dbt_af_k8s.server.secrets_hashed import password_hash, token_hash
    from dbt_af_k8s.server.settings import NAME_PATTERN

    if new_token is not None:
        if not re.fullmatch(NAME_PATTERN, new_token):
            raise UsageError(
                "--new-token takes a name of letters, digits, `_`, `-` and `.`: it stands in the settings."
            )
        token = made_token()
        line = f"{{name: {new_token}, sha256: {token_hash(token)}, scopes: [read, run]}}"
        write_text(f"{token}\n\nThe server keeps its hash alone, under `auth.tokens`:\n\n- {line}\n")
        return
    if hash_password:
        write_text(password_hash(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)) + "\n")
        return
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"The server needs {', '.join(missing)}: install `dbt-af-k8s[server]`.")
    from dbt_af_k8s.server.read_settings import read_server_config
    from dbt_af_k8s.server.serve import serve as serve_now

    if host == "":
        raise UsageError("--host is empty, and that would be every address of this machine. Write 0.0.0.0 for that.")
    read = read_server_config(config)
    changed = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    serve_now(read.model_copy(update=changed), config.absolute().parent, os.environ, no_auth=no_auth)
