"""The server's settings file, as a person writes it: `dbt-af-k8s serve --config server.yml`."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt, StringConstraints
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.fields import Count, Duration, Flag, Section, Span, Text, Texts
from dbt_af_k8s.server.options import DEFAULT_VERBS

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
_HEX = r"^[0-9a-f]{64}$"
_SCRYPT = r"^scrypt\$"


def _hidden(pattern: str, told: str, option: str) -> BeforeValidator:
    """Text of that form. What stands there instead is not repeated: it may be the secret itself."""

    def judged(value: Any) -> Any:
        if isinstance(value, str) and re.search(pattern, value):
            return value
        words = {"reason": f"must be {told}", "fix": f"`dbt-af-k8s serve {option}` makes it."}
        raise PydanticCustomError("hash", "{reason}", words)

    return BeforeValidator(judged)


TokenHash = Annotated[
    str,
    _hidden(_HEX, "the SHA-256 of a token, 64 digits and letters from a to f", "--new-token NAME"),
    StringConstraints(pattern=_HEX),
]
PasswordHash = Annotated[
    str,
    _hidden(_SCRYPT, "the hash of a password, which begins with `scrypt$`", "--hash-password"),
    StringConstraints(pattern=_SCRYPT),
]
Port = Annotated[StrictInt, Field(ge=0, le=65535)]
Scope = Literal["read", "run", "admin"]
Scopes = tuple[Scope, ...]
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]


class ProjectSection(Section):
    """A dbt project that clients may run. The server reads it; clients never name another folder."""

    project_dir: Text = Field(description="Folder of dbt_project.yml. Relative to the settings file, as all paths are.")
    profiles_dir: Text | None = Field(
        default=None, description="Folder of profiles.yml. Default: the project's folder."
    )
    target: Text | None = Field(default=None, description="dbt target. Default: the profile's own.")
    targets: Texts | None = Field(
        default=None, description="Targets that a client may name with `--target`. Default: any of the profile."
    )
    macros: Texts = Field(
        default=(),
        description="Macros of the root project that clients may call with `run-operation`, by their plain names. Our "
        "own maintenance macros may be called anyway.",
    )
    executable: Text | None = Field(
        default=None, description="The dbt program. Default: the one beside the server's Python."
    )
    warm: Flag = Field(
        default=True,
        description="Whether a process waits with dbt imported and the project parsed. It takes a dbt run's memory.",
    )


class StateSection(Section):
    """Where invocations, their logs and artefacts are kept."""

    file: Text = Field(default="dbt_af_k8s_server.sqlite", description="SQLite file, for one server process.")
    postgres_variable: Text | None = Field(
        default=None,
        description="Environment variable with the address of a PostgreSQL database (`postgresql://...`), for several "
        "replicas. It goes before `file`. dbt does not see it.",
    )
    postgres_file: Text | None = Field(
        default=None, description="File with that address, instead, from a Secret, say. It goes before `file`, too."
    )
    keep: Span = Field(
        default=30 * 86_400,
        description="How long ended invocations are kept, with log and artefacts. Then their task ids are new again.",
    )
    lease: Annotated[Span, Field(ge=15)] = Field(
        default=30,
        description="PostgreSQL: after how long without a sign of life a replica's invocations are INTERNAL_ERROR.",
    )


class TokenSection(Section):
    """An API token; `dbt-af-k8s serve --new-token NAME` makes one with its line."""

    name: Name = Field(description="Who has it; stands in the log and at its invocations.")
    sha256: TokenHash = Field(description="Hash of the token, hex.")
    scopes: Scopes = Field(default=("read", "run"), description="What it may do.")


class UserSection(Section):
    """A user of basic authentication; `dbt-af-k8s serve --hash-password` makes the hash."""

    name: Name = Field(description="User name.")
    password: PasswordHash = Field(description="Hash of the password.")
    scopes: Scopes = Field(default=("read", "run"), description="What the user may do.")


class JwtSection(Section):
    """OAuth 2: bearer tokens that are JWTs of an identity provider."""

    issuer: Text = Field(description="What `iss` must be.")
    audience: Text = Field(description="What `aud` must be or hold.")
    jwks_file: Text | None = Field(
        default=None, description="File with the provider's public keys (JWKS). Read again on change."
    )
    jwks_url: Text | None = Field(
        default=None,
        description="Where the provider has them, https. Asked every 15 minutes, and when a token names a new key.",
    )
    secret_variable: Text | None = Field(
        default=None, description="Environment variable with the secret of HS256, 384 or 512. dbt does not see it."
    )
    secret_file: Text | None = Field(default=None, description="File with that secret, instead.")
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256",), description="Algorithms that are taken.")
    scope_prefix: str = Field(
        default="", description="What stands before `read`, `run`, `admin` in the claim `scope` or `scp`."
    )


class TokensFile(Section):
    """What `auth.tokens_file` holds."""

    tokens: tuple[TokenSection, ...] = ()


class AuthSection(Section):
    """Who may call. A caller has the scopes `read` (look), `run` (start and abort, and look) or `admin` (all)."""

    tokens: tuple[TokenSection, ...] = Field(default=(), description="API tokens, sent as `Authorization: Bearer`.")
    tokens_file: Text | None = Field(
        default=None,
        description="YAML file with more of them under `tokens`, from a Secret, say. Read again on change.",
    )
    users: tuple[UserSection, ...] = Field(default=(), description="Users of basic authentication.")
    jwt: JwtSection | None = Field(default=None, description="OAuth 2 bearer tokens.")


#: Longest times of commands that only look, in seconds.
_LOOKING_SECONDS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("list", "ls", "parse"), 900),
        **dict.fromkeys(("compile", "show", "source freshness"), 1800),
        "docs generate": 3600,
    }
)


class LimitsSection(Section):
    """What clients may ask for."""

    verbs: Texts = Field(
        default=DEFAULT_VERBS,
        description="dbt commands that may run. `run-operation` is our own maintenance, and `projects.<name>.macros`.",
    )
    concurrency: Annotated[Count, Field(le=256)] = Field(
        default=2, description="Invocations at once, in each replica. Each may use a CPU."
    )
    queue: Annotated[Count, Field(le=1_000_000)] = Field(
        default=1000, description="Invocations that may wait; more are answered with 429."
    )
    runtime: Span = Field(
        default=6 * 3600, description="Longest time of an invocation that works; then it is ended and FAILURE."
    )
    runtimes: dict[str, Span] = Field(
        default={},
        description="The same by dbt command, where it is another one. Default: `list`, `ls` and `parse` 15 minutes, "
        "`compile`, `show` and `source freshness` 30, `docs generate` 60.",
    )
    threads: Annotated[Count, Field(le=256)] = Field(default=16, description="Most that `--threads` may say.")
    connections: Annotated[Count, Field(ge=16, le=60_000)] = Field(
        default=512,
        description="Connections at once, fewer where the process may have fewer descriptors. Past that, a new one "
        "takes the place of the one that has kept the server waiting longest.",
    )
    words: Annotated[Count, Field(le=10_000)] = Field(default=500, description="Most words of a command.")
    command_bytes: Annotated[Count, Field(le=1_000_000)] = Field(default=65_536, description="Most bytes of a command.")
    body_bytes: Annotated[Count, Field(le=100_000_000)] = Field(default=262_144, description="Most bytes of a request.")
    log_bytes: Annotated[Count, Field(ge=65_536)] = Field(
        default=20 * 1024 * 1024,
        description="Most bytes kept of a log. What comes after is dropped but for its last part.",
    )
    artifact_bytes: Count = Field(default=64 * 1024 * 1024, description="Largest artefact that is kept.")

    def runtime_of(self, verb: str) -> float:
        """Longest time of a command, in seconds."""
        least = min(self.runtime, _LOOKING_SECONDS.get(verb, self.runtime))
        return float(self.runtimes.get(verb, least))


class CallbackSection(Section):
    """Calls to a client's `callback_url`. Without a host none is allowed."""

    hosts: Texts = Field(
        default=(), description="Host names that may be called, each with a port if it is not the scheme's."
    )
    private: Flag = Field(
        default=False,
        description="Whether these hosts may have addresses that are not public, such as those of your own network.",
    )
    insecure: Flag = Field(default=False, description="Whether `http` may be called as well as `https`.")
    tries: Annotated[Count, Field(le=20)] = Field(default=6, description="Tries of each call, with growing pauses.")


class DbtSection(Section):
    """What dbt's processes get, and as whom they run."""

    environment: Texts = Field(
        default=(),
        description="Variables of the server that dbt gets, by name or pattern (`SNOWFLAKE_*`), besides `DBT_*` and "
        "those that any program needs (`PATH`, `HOME`, `LANG`, ...). It gets no others, and cannot see them.",
    )
    run_as: Text | None = Field(
        default=None,
        description="User as whom dbt runs, by name; the server must be root. Default: as the server, and then dbt "
        "reads every file that the server can read.",
    )


class TlsSection(Section):
    """HTTPS by the server itself. Without, put a proxy before it: tokens must not travel in clear."""

    certificate: Text = Field(description="File with the certificate chain, PEM.")
    key: Text = Field(description="File with its key, PEM.")


class ServerConfig(Section):
    """`server.yml`, the settings of `dbt-af-k8s serve`. It holds hashes and names of variables, but no secret."""

    host: Text = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=8580, description="Port; 0 takes a free one and tells it in the log.")
    proxies: Texts = Field(
        default=(),
        description="Addresses of proxies before the server whose `X-Forwarded-For` is believed: who sends wrong "
        "passwords waits longer each time, by address.",
    )
    projects: Annotated[dict[str, ProjectSection], Field(min_length=1)] = Field(description="dbt projects by name.")
    project_roots: Texts = Field(
        default=(), description="Folders below which an `admin` may register further projects. Default: none."
    )
    auth: AuthSection = Field(default=AuthSection(), description="Who may call.")
    state: StateSection = Field(default=StateSection(), description="Where things are kept.")
    limits: LimitsSection = Field(default=LimitsSection(), description="What clients may ask for.")
    callbacks: CallbackSection = Field(default=CallbackSection(), description="Calls to clients.")
    dbt: DbtSection = Field(default=DbtSection(), description="What dbt's processes get.")
    tls: TlsSection | None = Field(default=None, description="HTTPS by the server itself.")
    metrics_open: Flag = Field(default=False, description="Whether `/metrics` answers without authentication.")
    shutdown_grace: Duration = Field(
        default=60,
        description="After SIGTERM, how long running invocations may go on before they are ended as INTERNAL_ERROR.",
    )
