"""Read `server.yml`, with every problem at once; and its reference page."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from dbt_af_k8s.config.problems import findings
from dbt_af_k8s.config.schema import keys_reference
from dbt_af_k8s.config.yaml_text import MOST_BYTES, load_yaml
from dbt_af_k8s.errors import Issue, ProjectError, error
from dbt_af_k8s.server.operations import is_macro_name
from dbt_af_k8s.server.options import OFFERED_VERBS
from dbt_af_k8s.server.settings import NAME_PATTERN, ServerConfig

_CODES = {"unknown": "unknown-setting", "missing": "missing-setting", "wrong": "bad-setting"}


def read_server_config(path: Path) -> ServerConfig:
    """The settings in this file. Raises `ProjectError` with everything that is wrong."""
    file = path.name
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        fix = "Write it, or name another one with --config."
        raise ProjectError([error("file-missing", f"There is no file {path}.", fix, file=file)]) from None
    except OSError as reason:
        message = f"The file cannot be read: {(reason.strerror or 'unknown').lower()}."
        raise ProjectError([error("file-unreadable", message, "Let the server read it.", file=file)]) from None
    found = load_yaml(data, file=file)
    issues = [
        error("yaml-duplicate-key", f"The key {twice.key!r} stands twice.", "Remove one of the two.", file=file)
        for twice in found.duplicates
    ]
    config, more = parse_server_config(found.mapping, file=file)
    if config is None or issues or more:
        raise ProjectError([*issues, *more])
    return config


def parse_server_config(written: Mapping[Any, Any], *, file: str) -> tuple[ServerConfig | None, tuple[Issue, ...]]:
    """Check what a person wrote."""
    try:
        config = ServerConfig.model_validate(dict(written))
    except ValidationError as failed:
        told = findings(failed, ServerConfig)
        return None, tuple(error(_CODES[it.kind], it.message, it.fix, file=file, key=it.key) for it in told)
    return config, tuple(_contradictions(config, file))


def _contradictions(config: ServerConfig, file: str) -> list[Issue]:
    """What no single key tells."""
    found = []
    for name in config.projects:
        if not re.fullmatch(NAME_PATTERN, name):
            fix = "Use letters, digits, `_`, `-` and `.`: it is a part of addresses."
            found.append(error("bad-setting", f"{name!r} cannot be a project's name.", fix, file=file, key="projects"))
    for key, verbs in (("verbs", config.limits.verbs), ("runtimes", tuple(config.limits.runtimes))):
        for verb in verbs:
            if verb not in OFFERED_VERBS:
                fix = f"Known are {', '.join(OFFERED_VERBS)}."
                message = f"`limits.{key}` cannot hold {verb!r}."
                found.append(error("bad-setting", message, fix, file=file, key=f"limits.{key}"))
    for name, project in config.projects.items():
        for macro in project.macros:
            if not is_macro_name(macro):
                fix = "Write the plain name of a macro of the root project, without its package."
                message = f"{macro!r} cannot be the name of a macro that clients may call."
                found.append(error("bad-setting", message, fix, file=file, key=f"projects.{name}.macros"))
    jwt = config.auth.jwt
    if jwt is not None:
        secret = [name for name in jwt.algorithms if name.startswith("HS")]
        keys = (jwt.jwks_file, jwt.jwks_url, jwt.secret_variable, jwt.secret_file)
        if sum(key is not None for key in keys) != 1:
            ways = "`jwks_file`, `jwks_url`, `secret_variable` and `secret_file`"
            message = f"`auth.jwt` needs one of {ways}, and no two of them."
            found.append(error("bad-setting", message, "Give one of the four.", file=file, key="auth.jwt"))
        elif bool(secret) != (jwt.jwks_file is None and jwt.jwks_url is None) or len(secret) not in (
            0,
            len(jwt.algorithms),
        ):
            message = "`auth.jwt.algorithms` does not fit the key: HS256, 384 and 512 have a secret, the others a JWKS."
            found.append(
                error("bad-setting", message, "Name algorithms of one kind.", file=file, key="auth.jwt.algorithms")
            )
        if jwt.jwks_url is not None and not _is_safe(jwt.jwks_url):
            message = "`auth.jwt.jwks_url` is no https address: whoever stands between could give the server keys."
            fix = "Write https://..., or http:// to this machine itself."
            found.append(error("bad-setting", message, fix, file=file, key="auth.jwt.jwks_url"))
    if config.state.postgres_variable is not None and config.state.postgres_file is not None:
        message = "`state` names a variable and a file with the address of the database."
        fix = "Keep `postgres_variable` or `postgres_file`."
        found.append(error("bad-setting", message, fix, file=file, key="state.postgres_file"))
    names = [token.name for token in config.auth.tokens]
    if len(set(names)) != len(names):
        message = "Two of `auth.tokens` have one name."
        found.append(error("bad-setting", message, "Give each a name of its own.", file=file, key="auth.tokens"))
    return found


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can change what the address answers."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))
    )


def server_settings_reference() -> str:
    """The reference of `server.yml`, in Markdown."""
    head = f"# Server settings\n\n{ServerConfig.__doc__}\n\nA key without a value counts as not written.\n"
    return f"{head}\n{keys_reference(ServerConfig)}"
