"""Logs that fall silent, over HTTP: the server answers as a kubelet does."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

pytest.importorskip("kubernetes")

from kubernetes.client import ApiClient, Configuration
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from dbt_af_k8s.airflow.pods.log import LogClient

pytestmark = pytest.mark.airflow


class Kubelet(BaseHTTPRequestHandler):
    """What it writes before it falls silent follows from the pod's name; a pod that `ends` is not silent."""

    protocol_version = "HTTP/1.1"
    said: ClassVar[dict[str, bytes]] = {"head": b"", "line": b"one\n", "half": b"one\ntw", "ends": b"one\ntwo"}
    over = threading.Event()

    def do_GET(self) -> None:
        pod = self.path.split("/pods/")[1].split("/")[0]
        if pod != "nothing":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in self.said[pod].splitlines(keepends=True):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        if pod != "ends":
            self.over.wait(30)
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def logs() -> Iterator[LogClient]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kubelet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api = ApiClient(Configuration(host=f"http://127.0.0.1:{server.server_port}"))
    yield LogClient(api)
    Kubelet.over.set()
    api.rest_client.pool_manager.clear()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogClient, "longest_silence", 0.2)


def follow(logs: LogClient, pod: str) -> Iterator[bytes]:
    yield from logs.read_namespaced_pod_log(pod, "shop", follow=True, _preload_content=False).stream(amt=None)


@pytest.mark.parametrize(("pod", "told"), [("head", b""), ("line", b"one\n"), ("half", b"one\ntw\n")])
def test_a_silence_ends_after_what_was_said(logs: LogClient, pod: str, told: bytes) -> None:
    said: list[bytes] = []
    with pytest.raises(HTTPTimeoutError, match="no new line"):
        said.extend(follow(logs, pod))
    assert b"".join(said) == told


def test_an_answer_that_does_not_begin_is_a_silence_too(logs: LogClient) -> None:
    with pytest.raises(HTTPTimeoutError, match="no answer"):
        next(follow(logs, "nothing"))


def test_a_log_that_ends_is_read_as_it_is(logs: LogClient) -> None:
    assert b"".join(follow(logs, "ends")) == b"one\ntwo"
