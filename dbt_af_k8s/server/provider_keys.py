"""The public keys of an identity provider: which one a token names, and where they come from."""

import http.client
import json
import logging
import threading
import time
import urllib.request
from typing import Any

LOG = logging.getLogger("dbt_af_k8s.server")
#: Keys are asked for again after so long, in seconds: one that the provider has withdrawn counts no longer than that.
_KEEP = 900.0
#: A token may name any key: the provider is asked for unknown ones no more often than this, in seconds.
_PAUSE = 30.0
_TIMEOUT = 5.0
_MOST_BYTES = 1024 * 1024


def key_of(token: str, keys: Any) -> Any:
    """The key of a `jwt.PyJWKSet` that the token's head names; the only one where it names none.

    Raises `ValueError` where there is no such key, and `jwt.PyJWTError` where the token has no head.
    """
    import jwt

    named = jwt.get_unverified_header(token).get("kid")
    usable = [key for key in keys.keys if key.public_key_use in (None, "sig")]
    if named is None and len(usable) == 1:
        return usable[0]
    found = [key for key in usable if key.key_id == named and named is not None]
    if len(found) != 1:
        raise ValueError("no such key")
    return found[0]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The keys stand where the settings say, or nowhere."""

    def redirect_request(self, *_: Any) -> None:
        """Never; what answers so has failed."""


class FetchedKeys:
    """Keys from the provider's own address.

    While the provider does not answer, those that it gave last count; before it has ever answered, none do. The server
    starts all the same: it has other callers, too.
    """

    def __init__(self, url: str) -> None:
        """`url` is the `jwks_uri` of the provider's metadata."""
        self._url = url
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._lock = threading.Lock()
        self._keys: Any = None
        self._asked = -_KEEP
        self._fetch(_KEEP)

    def key_of(self, token: str) -> Any:
        """The key that the token names. Raises what `key_of` raises."""
        self._fetch(_KEEP)
        try:
            return self._known(token)
        except ValueError:
            if not self._fetch(_PAUSE):
                raise
        return self._known(token)

    def _known(self, token: str) -> Any:
        if self._keys is None:
            raise ValueError("the provider has given no keys yet")
        return key_of(token, self._keys)

    def _fetch(self, after: float) -> bool:
        """Ask the provider, if that was not done for so many seconds. Whoever comes meanwhile goes on with the old."""
        import jwt

        with self._lock:
            now = time.monotonic()
            if now - self._asked < after:
                return False
            self._asked = now
        try:
            with self._opener.open(self._url, timeout=_TIMEOUT) as answer:
                self._keys = jwt.PyJWKSet.from_dict(json.loads(answer.read(_MOST_BYTES)))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OSError, http.client.HTTPException) as reason:
            LOG.error("keys not fetched", extra={"url": self._url, "reason": type(reason).__name__})
            return False
        return True
