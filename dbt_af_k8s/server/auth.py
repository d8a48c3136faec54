"""Who calls, and what the caller may do: API tokens, basic authentication, OAuth 2 bearer tokens (JWT)."""

import base64
import hashlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.config.problems import findings
from dbt_af_k8s.config.yaml_text import load_yaml
from dbt_af_k8s.errors import ProjectError, UsageError, gathered
from dbt_af_k8s.server.provider_keys import FetchedKeys, key_of
from dbt_af_k8s.server.secrets_hashed import is_password, is_token, password_hash, read_secret
from dbt_af_k8s.server.settings import AuthSection, JwtSection, TokenSection, TokensFile, UserSection

LOG = logging.getLogger("dbt_af_k8s.server")
#: What each scope brings with it.
_IMPLIED: Mapping[str, frozenset[str]] = {
    "read": frozenset(("read",)),
    "run": frozenset(("read", "run")),
    "admin": frozenset(("read", "run", "admin")),
}
#: A password that was right is not hashed again for so long, in seconds.
_REMEMBER_SECONDS = 300.0
#: Nor one that was wrong.
_WRONG_SECONDS = 60.0
_MOST_REMEMBERED = 10_000
#: Clocks of the identity provider and this machine may differ by so much, in seconds.
_LEEWAY = 30
_LONGEST_HEADER = 16 * 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    name: str
    scopes: frozenset[str]


#: Everybody, where authentication is switched off.
ANYBODY = Caller("anybody", _IMPLIED["admin"])


def scopes_of(names: "tuple[str, ...] | list[str]") -> frozenset[str]:
    """The scopes that these names bring; unknown ones bring none."""
    return frozenset().union(*(_IMPLIED.get(name, frozenset()) for name in names))


class Authenticator:
    """Reads the header `Authorization`. Methods may be called from any thread."""

    def __init__(self, auth: AuthSection, folder: Path, environment: Mapping[str, str]) -> None:
        """`folder` is that of the settings file. Raises `UsageError` where a file or a variable is missing."""
        self._tokens = auth.tokens
        self._users = {user.name: user for user in auth.users}
        self._more_tokens: _WatchedFile | None = None
        self._jwt: JwtReader | None = None
        problems: list[str] = []
        if auth.tokens_file is not None:
            with gathered(problems):
                self._more_tokens = _WatchedFile(folder / auth.tokens_file, _read_tokens)
        if auth.jwt is not None:
            with gathered(problems):
                self._jwt = JwtReader(auth.jwt, folder, environment)
        if problems:
            raise UsageError("\n".join(problems))
        self._nobody = UserSection(name="nobody", password=password_hash(secrets.token_hex()))
        self._pepper = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._wrong: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def caller(self, header: str | None) -> Caller | None:
        """Who the header names, or None where it proves nothing."""
        return self.known(header) or (self.by_password(header) if self.needs_hash(header) else None)

    def known(self, header: str | None) -> Caller | None:
        """Who it names, as far as that costs next to nothing: tokens, and passwords that were right a while ago."""
        kind, given = _parts(header)
        if kind == "bearer" and given:
            return self._by_token(given) or (self._jwt.caller(given) if self._jwt is not None else None)
        login = _login(given) if kind == "basic" else None
        if login is None:
            return None
        user, mark = self._users.get(login[0]), self._mark(*login)
        with self._lock:
            is_remembered = self._right.get(mark, 0.0) > time.monotonic()
        return Caller(user.name, scopes_of(user.scopes)) if is_remembered and user is not None else None

    def needs_hash(self, header: str | None) -> bool:
        """Whether only a hash can tell: there are users, and this login was not found wrong a moment ago."""
        kind, given = _parts(header)
        login = _login(given) if kind == "basic" and self._users else None
        if login is None:
            return False
        mark = self._mark(*login)
        with self._lock:
            return self._wrong.get(mark, 0.0) <= time.monotonic()

    def by_password(self, header: str | None) -> Caller | None:
        """Who it names, by a hash; it takes 32 MB and a tenth of a second, so call it for few at once."""
        login = _login(_parts(header)[1])
        if login is None:
            return None
        name, password = login
        user, mark = self._users.get(name), self._mark(name, password)
        # An unknown user takes as long as a known one.
        is_right = is_password(password, (user or self._nobody).password) and user is not None
        now = time.monotonic()
        with self._lock:
            kept = self._right if is_right else self._wrong
            for key in [key for key, until in kept.items() if until <= now]:
                del kept[key]
            if len(kept) >= _MOST_REMEMBERED:
                kept.clear()
            kept[mark] = now + (_REMEMBER_SECONDS if is_right else _WRONG_SECONDS)
        return Caller(user.name, scopes_of(user.scopes)) if is_right and user is not None else None

    def _mark(self, name: str, password: str) -> bytes:
        """What is kept of a login in memory: nothing that leads back to it."""
        known = self._users.get(name, self._nobody).password
        return hashlib.blake2b(f"{known}\0{name}\0{password}".encode("utf-8", "replace"), key=self._pepper).digest()

    def _by_token(self, token: str) -> Caller | None:
        found = None
        for known in (*self._tokens, *(self._more_tokens.value() if self._more_tokens is not None else ())):
            # All are looked at, whichever fits.
            if is_token(token, known.sha256):
                found = Caller(known.name, scopes_of(known.scopes))
        return found


class JwtReader:
    """Bearer tokens of an identity provider."""

    def __init__(self, settings: JwtSection, folder: Path, environment: Mapping[str, str]) -> None:
        """Raises `UsageError` where the key is missing."""
        self._settings = settings
        self._keys = None if settings.jwks_file is None else _WatchedFile(folder / settings.jwks_file, _read_keys)
        self._fetched = None if settings.jwks_url is None else FetchedKeys(settings.jwks_url)
        where = f"The environment variable {settings.secret_variable} of `auth.jwt.secret_variable`"
        self._secret = environment.get(settings.secret_variable or "", "")
        if settings.secret_file is not None:
            where = f"The file {settings.secret_file} of `auth.jwt.secret_file`"
            self._secret = read_secret(folder / settings.secret_file, "auth.jwt.secret_file")
        if self._keys is None and self._fetched is None and len(self._secret) < 32:
            raise UsageError(f"{where} must hold a secret of at least 32 letters.")

    def caller(self, token: str) -> Caller | None:
        """Who the token names, where it is whole, in time and meant for us."""
        import jwt

        settings = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(token),
                algorithms=list(settings.algorithms),
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        said = claims.get("scope", claims.get("scp", ""))
        names = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        prefix = settings.scope_prefix
        mine = [name.removeprefix(prefix) for name in names if isinstance(name, str) and name.startswith(prefix)]
        name = claims.get("sub", claims.get("client_id", "jwt"))
        return Caller(str(name)[:200], scopes_of(mine))

    def _key(self, token: str) -> Any:
        if self._fetched is not None:
            return self._fetched.key_of(token)
        return self._secret if self._keys is None else key_of(token, self._keys.value())


def _parts(header: str | None) -> tuple[str, str]:
    """The kind of the header `Authorization` in small letters, and what follows."""
    if header is None or len(header) > _LONGEST_HEADER:
        return "", ""
    kind, _, given = header.partition(" ")
    return kind.lower(), given.strip()


def _login(given: str) -> tuple[str, str] | None:
    """Name and password of a basic login; None for what is none."""
    try:
        name, colon, password = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return None
    return (name, password) if colon and name else None


def _read_tokens(data: bytes) -> tuple[TokenSection, ...]:
    try:
        return TokensFile.model_validate(load_yaml(data, file="tokens").mapping).tokens
    except ValidationError as failed:
        raise ValueError(" ".join(f"{it.message} {it.fix}" for it in findings(failed, TokensFile))) from None
    except ProjectError as failed:
        raise ValueError(" ".join(issue.message for issue in failed.issues)) from None


def _read_keys(data: bytes) -> Any:
    import jwt

    try:
        return jwt.PyJWKSet.from_dict(json.loads(data))
    except (ValueError, TypeError, AttributeError, RecursionError, jwt.PyJWTError):
        raise ValueError('It is no JSON with public keys, `{"keys": [...]}`.') from None


class _WatchedFile:
    """A file that is read again when it has changed; while it is broken, what was read before counts."""

    def __init__(self, path: Path, read: Any) -> None:
        self._path = path
        self._read = read
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._looked = 0.0
        try:
            self._value = self._fresh()
        except (OSError, ValueError) as reason:
            raise UsageError(f"The file {path} cannot be used: {_told(reason)}") from None

    def value(self) -> Any:
        """What the file says."""
        with self._lock:
            if time.monotonic() - self._looked >= 1:
                try:
                    self._value = self._fresh()
                except (OSError, ValueError) as reason:
                    LOG.error("file not read again", extra={"file": str(self._path), "reason": _told(reason)})
            return self._value

    def _fresh(self) -> Any:
        self._looked = time.monotonic()
        found = self._path.stat()
        seen = (found.st_ino, found.st_size, found.st_mtime_ns)
        if seen == self._seen:
            return self._value
        value = self._read(self._path.read_bytes())
        self._seen = seen
        return value


def _told(reason: OSError | ValueError) -> str:
    """Why a file cannot be used, never with what it holds."""
    return f"{(reason.strerror or 'unknown').lower()}." if isinstance(reason, OSError) else str(reason)
