"""Reading, making and comparing secrets: API tokens and passwords, of which only hashes are kept.

A token is 256 random bits, so one SHA-256 is enough to keep it; a password is what a person remembers, so its hash is
made slow (scrypt).
"""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from dbt_af_k8s.errors import UsageError

#: What our tokens begin with, so that scanners of repositories can find them.
TOKEN_PREFIX = "dbt_af_k8s_"  # noqa: S105  no secret
#: Costs of scrypt: 2**15 * 8 * 128 bytes are 32 MB, and some 0.1 s.
_N, _R, _P = 2**15, 8, 1
_MOST_MEMORY = 128 * 1024 * 1024


def read_secret(path: Path, key: str) -> str:
    """A secret out of its own file, without the end of its line. Raises `UsageError`, never with what it holds."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError(f"The file {path} of `{key}` is no text.") from None
    except OSError as reason:
        raise UsageError(
            f"The file {path} of `{key}` cannot be read: {(reason.strerror or 'unknown').lower()}."
        ) from None


def new_token() -> str:
    """A new API token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the settings keep of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_token(token: str, sha256: str) -> bool:
    """Whether this is the token, in a time that says nothing about it."""
    return hmac.compare_digest(token_hash(token), sha256)


def password_hash(password: str) -> str:
    """What the settings keep of a password: `scrypt$N$r$p$salt$hash`."""
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(key)}"


def is_password(password: str, hashed: str) -> bool:
    """Whether this is the password. A hash that cannot be read fits none."""
    try:
        _, cost, block, parallel, salt, key = hashed.split("$")
        found = _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(parallel))
        return hmac.compare_digest(found, base64.b64decode(key))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    data = password.encode("utf-8", "surrogateescape")
    return hashlib.scrypt(data, salt=salt, n=cost, r=block, p=parallel, maxmem=_MOST_MEMORY, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
