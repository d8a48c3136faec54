"""Who is let in, and who is not."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.server import provider_keys
from dbt_af_k8s.server.auth import Authenticator
from dbt_af_k8s.server.secrets_hashed import is_password, is_token, new_token, password_hash, token_hash
from dbt_af_k8s.server.settings import AuthSection

SECRET = "a secret of more than sixty-four letters, as HS512 wants it to be, too"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def authenticator(folder: Path, environment: dict[str, str] | None = None, **auth: Any) -> Authenticator:
    return Authenticator(AuthSection.model_validate(auth), folder, environment or {})


def claims(**changed: Any) -> dict[str, Any]:
    whole = {"iss": "https://id", "aud": "dbt", "exp": time.time() + 300, "sub": "svc", "scope": "openid dbt:run"}
    return {key: value for key, value in {**whole, **changed}.items() if value is not None}


def bearer(key: Any, algorithm: str, headers: dict[str, Any] | None = None, **changed: Any) -> str:
    return "Bearer " + jwt.encode(claims(**changed), key, algorithm, headers)


def jwks(folder: Path, *keys: tuple[str, Any]) -> Path:
    made = [{**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"} for kid, key in keys]
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": made}))
    return path


@dataclass
class Provider:
    """An identity provider's address of keys."""

    url: str = ""
    body: bytes = b"{}"
    status: int = 200
    asked: int = 0
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def provider() -> Iterator[Provider]:
    state = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked += 1
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/jwks"
    yield state
    server.shutdown()
    server.server_close()


def test_tokens_are_hashed_and_compared() -> None:
    token = new_token()
    assert is_token(token, token_hash(token))
    assert not is_token(token + "x", token_hash(token))
    assert token not in token_hash(token)
    assert new_token() != token


def test_passwords_are_salted() -> None:
    hashed = password_hash("gehéim")
    assert is_password("gehéim", hashed)
    assert not is_password("geheim", hashed)
    assert hashed != password_hash("gehéim")
    assert not is_password("x", "scrypt$broken")


def test_a_token_brings_its_scopes_and_those_below(tmp_path: Path) -> None:
    tokens = [{"name": name, "sha256": token_hash(name), "scopes": [name]} for name in ("read", "run", "admin")]
    found = authenticator(tmp_path, tokens=tokens)
    for name, scopes in (("read", {"read"}), ("run", {"read", "run"}), ("admin", {"read", "run", "admin"})):
        caller = found.caller(f"Bearer {name}")
        assert caller is not None
        assert (caller.name, caller.scopes) == (name, scopes)
    for header in (None, "", "Bearer", "Bearer ", "Bearer readx", "read", "Basic read", "Bearer " + "x" * 20_000):
        assert found.caller(header) is None


def test_a_file_of_tokens_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yml"
    path.write_text(f"tokens: [{{name: a, sha256: {token_hash('one')}}}]")
    found = authenticator(tmp_path, tokens_file="tokens.yml")
    assert found.caller("Bearer one") is not None
    path.write_text(f"tokens: [{{name: a, sha256: {token_hash('two')}}}]\n")
    time.sleep(1.05)
    assert found.caller("Bearer one") is None
    assert found.caller("Bearer two") is not None
    # Half written: what was read before counts.
    path.write_text("tokens: [{")
    time.sleep(1.05)
    assert found.caller("Bearer two") is not None


def test_missing_files_and_secrets_stop_the_server(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tokens\.yml"):
        authenticator(tmp_path, tokens_file="tokens.yml")
    settings = {"issuer": "i", "audience": "a", "secret_variable": "S", "algorithms": ["HS256"]}
    with pytest.raises(UsageError, match="at least 32"):
        authenticator(tmp_path, {"S": "short"}, jwt=settings)
    with pytest.raises(UsageError, match=r"(?s)tokens\.yml.*at least 32"):
        authenticator(tmp_path, {"S": "short"}, jwt=settings, tokens_file="tokens.yml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tokens: [{", "This is not YAML"),
        ("tokens: [{name: a, sha256: my-own-token}]", "`tokens[0].sha256` must be the SHA-256 of a token"),
        ("tokens: [{name: a, sha256: 55555}]", "`tokens[0].sha256` must be the SHA-256 of a token"),
        ("token: []", "Did you mean `tokens`?"),
        ("tokens: 5", "`tokens` must be a list"),
    ],
)
def test_what_is_wrong_with_a_file_of_tokens_is_told_and_no_token(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "tokens.yml").write_text(text)
    with pytest.raises(UsageError) as told:
        authenticator(tmp_path, tokens_file="tokens.yml")
    assert said in str(told.value)
    assert "my-own-token" not in str(told.value)
    assert "55555" not in str(told.value)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"keys": [{"kty": "RSA", "n": "secret"}]}', "[" * 100_000])
def test_a_file_without_public_keys_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(UsageError, match=r"keys\.json cannot be used: It is no JSON with public keys"):
        authenticator(tmp_path, jwt={"issuer": "i", "audience": "a", "jwks_file": "keys.json"})


def test_basic(tmp_path: Path) -> None:
    found = authenticator(tmp_path, users=[{"name": "ann", "password": password_hash("pass:word"), "scopes": ["read"]}])

    def header(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    for _ in range(2):  # the second time from memory
        caller = found.caller(header("ann:pass:word"))
        assert caller is not None
        assert caller.scopes == {"read"}
    for text in ("ann:wrong", "ann", "ann:", "bob:pass:word", ":", ""):
        assert found.caller(header(text)) is None
    assert found.caller("Basic \xff\xfe") is None
    assert found.caller("Basic " + base64.b64encode(b"\xff:\xff").decode()) is None


def test_jwt_with_a_secret(tmp_path: Path) -> None:
    settings = {
        "issuer": "https://id",
        "audience": "dbt",
        "secret_variable": "S",
        "algorithms": ["HS256"],
        "scope_prefix": "dbt:",
    }
    found = authenticator(tmp_path, {"S": SECRET}, jwt=settings)
    caller = found.caller(bearer(SECRET, "HS256"))
    assert caller is not None
    assert (caller.name, caller.scopes) == ("svc", {"read", "run"})
    assert found.caller(bearer(SECRET, "HS256", scope=None, scp=["dbt:admin"])).scopes == {"read", "run", "admin"}  # type: ignore[union-attr]
    assert found.caller(bearer(SECRET, "HS256", scope="run admin")).scopes == frozenset()  # type: ignore[union-attr]
    for wrong in (
        bearer(SECRET + "x", "HS256"),
        bearer(SECRET, "HS512"),
        bearer(SECRET, "HS256", iss="https://other"),
        bearer(SECRET, "HS256", aud="other"),
        bearer(SECRET, "HS256", exp=time.time() - 60),
        bearer(SECRET, "HS256", exp=None),
        bearer(SECRET, "HS256", aud=None),
        bearer(SECRET, "HS256", nbf=time.time() + 300),
        "Bearer " + jwt.encode(claims(), None, "none"),
        "Bearer a.b.c",
    ):
        assert found.caller(wrong) is None, wrong


def test_jwt_with_the_keys_of_a_provider(tmp_path: Path) -> None:
    path = jwks(tmp_path, ("k1", KEY))
    settings = {"issuer": "https://id", "audience": "dbt", "jwks_file": "jwks.json", "scope_prefix": "dbt:"}
    found = authenticator(tmp_path, jwt=settings)
    assert found.caller(bearer(KEY, "RS256", {"kid": "k1"})) is not None
    assert found.caller(bearer(KEY, "RS256")) is not None
    assert found.caller(bearer(OTHER_KEY, "RS256", {"kid": "k1"})) is None
    assert found.caller(bearer(KEY, "RS256", {"kid": "k2"})) is None
    # The public key taken for a secret: the oldest attack of them all. PyJWT refuses to make such a token.
    public = json.loads(path.read_text())["keys"][0]["n"]
    assert found.caller(bearer(public, "HS256", {"kid": "k1"})) is None
    # The provider changes its keys.
    assert jwks(tmp_path, ("k2", OTHER_KEY), ("k3", KEY)) == path
    time.sleep(1.05)
    assert found.caller(bearer(OTHER_KEY, "RS256", {"kid": "k2"})) is not None
    assert found.caller(bearer(KEY, "RS256", {"kid": "k1"})) is None
    assert found.caller(bearer(KEY, "RS256")) is None


def test_jwt_with_keys_from_the_providers_address(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000.0
    monkeypatch.setattr(provider_keys.time, "monotonic", lambda: clock)
    settings = {"issuer": "https://id", "audience": "dbt", "jwks_url": provider.url, "scope_prefix": "dbt:"}
    # Nothing of use comes yet: the server starts, and nobody is let in by a key.
    for provider.status, provider.body in ((500, b""), (200, b"no json"), (200, b"[]"), (200, b'{"keys": []}')):
        assert authenticator(tmp_path, jwt=settings).caller(bearer(KEY, "RS256", {"kid": "k1"})) is None
    provider.body = jwks(tmp_path, ("k1", KEY)).read_bytes()
    found = authenticator(tmp_path, jwt=settings)
    provider.asked = 0
    assert found.caller(bearer(KEY, "RS256", {"kid": "k1"})) is not None
    assert found.caller(bearer(OTHER_KEY, "RS256", {"kid": "k1"})) is None
    assert provider.asked == 0
    # A key that nobody knows asks the provider, and a thousand such tokens ask once.
    clock += 31
    for _ in range(20):
        assert found.caller(bearer(OTHER_KEY, "RS256", {"kid": "k2"})) is None
    assert provider.asked == 1
    # The provider brings a new key, and later takes the old one away.
    provider.body = jwks(tmp_path, ("k1", KEY), ("k2", OTHER_KEY)).read_bytes()
    clock += 31
    assert found.caller(bearer(OTHER_KEY, "RS256", {"kid": "k2"})) is not None
    provider.body = jwks(tmp_path, ("k2", OTHER_KEY)).read_bytes()
    assert found.caller(bearer(KEY, "RS256", {"kid": "k1"})) is not None
    clock += 901
    assert found.caller(bearer(KEY, "RS256", {"kid": "k1"})) is None
    # While it is away, what it said last counts; it sends nobody to another address.
    clock += 901
    provider.status, provider.body = 503, b""
    assert found.caller(bearer(OTHER_KEY, "RS256", {"kid": "k2"})) is not None
    clock += 901
    provider.status, provider.headers = 302, {"Location": provider.url + "/elsewhere"}
    asked = provider.asked
    assert found.caller(bearer(OTHER_KEY, "RS256", {"kid": "k2"})) is not None
    assert provider.asked == asked + 1
