"""A local HTTP server that speaks the calls of Tableau's REST API that a refresh needs, as its reference has them.

Sign in (password or personal access token), server info, query workbooks and data sources with filters and pages,
update workbook/datasource now (refresh), sign out; errors as `<tsResponse><error code=...>` with the documented codes.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

NAMESPACE = "http://tableau.com/api"
PAGE = 100


@dataclass
class Tableau:
    """What the server holds, and what it was asked."""

    port: int = 0
    version: str = "3.25"
    users: dict[str, str] = field(default_factory=lambda: {"anna": "secret", "token:bot": "pat"})
    sites: dict[str, str] = field(default_factory=lambda: {"": "site-0", "emea": "site-1"})
    #: (kind, id, name, project).
    items: list[tuple[str, str, str, str]] = field(default_factory=list)
    #: Paths that are answered by an error: pattern -> (status, code, summary, detail); status 0 hangs up.
    errors: dict[str, tuple[int, str, str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    #: Tokens of sessions that are signed in.
    sessions: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def tableau_server(**held: object) -> Iterator[Tableau]:
    """Serve until the block ends."""
    tableau = Tableau(**held)  # type: ignore[arg-type]
    handler = type("Handler", (_Handler,), {"tableau": tableau})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    tableau.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield tableau
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    tableau: Tableau

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _answer(self) -> None:
        held, parts = self.tableau, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        call = re.sub(r"^/api/[^/]+", "", parts.path)
        held.asked.append(f"{self.command} {call}")
        held.bodies.append(body)
        for pattern, (status, *error) in held.errors.items():
            if re.fullmatch(pattern, call):
                if not status:
                    self.connection.close()
                    return
                self._send(status, _error(*error))
                return
        if call == "/auth/signin":
            self._sign_in(body)
        elif call.lower() == "/serverinfo":
            info = f"<productVersion build='1'>2025.1</productVersion><restApiVersion>{held.version}</restApiVersion>"
            self._send(200, f"<serverInfo>{info}</serverInfo>")
        elif self.headers.get("X-Tableau-Auth") not in held.sessions:
            self._send(
                401, _error("401002", "Unauthorized Access", "Invalid authentication credentials were provided.")
            )
        elif call == "/auth/signout":
            held.sessions.discard(str(self.headers["X-Tableau-Auth"]))
            self._send(204, "")
        elif found := re.fullmatch(r"/sites/([^/]+)/(workbook|datasource)s", call):
            self._query(found[2], parse_qs(parts.query))
        elif found := re.fullmatch(r"/sites/([^/]+)/(workbook|datasource)s/([^/]+)/refresh", call):
            self._refresh(found[2], found[3])
        else:
            self._send(404, _error("404000", "Resource Not Found", f"{call} is not known."))

    def _sign_in(self, body: str) -> None:
        credentials = ET.fromstring(body).find("{*}credentials")
        assert credentials is not None
        site = credentials.find("{*}site")
        assert site is not None
        name, secret = credentials.get("name"), credentials.get("password")
        if credentials.get("personalAccessTokenName"):
            name = f"token:{credentials.get('personalAccessTokenName')}"
            secret = credentials.get("personalAccessTokenSecret")
        url = site.get("contentUrl") or ""
        if url not in self.tableau.sites or self.tableau.users.get(str(name)) != secret:
            self._send(401, _error("401001", "Signin Error", "Error signing in to Tableau Server"))
            return
        token = f"token-{len(self.tableau.asked)}"
        self.tableau.sessions.add(token)
        held = f'<site id="{self.tableau.sites[url]}" contentUrl="{url}"/><user id="u1"/>'
        self._send(200, f'<credentials token="{token}">{held}</credentials>')

    def _query(self, kind: str, asked: dict[str, list[str]]) -> None:
        found = [item for item in self.tableau.items if item[0] == kind]
        for expression in filter(None, ",".join(asked.get("filter", [])).split(",")):
            name, operator, value = expression.split(":", 2)
            assert operator == "eq"
            column = {"name": 2, "projectName": 3}[name]
            found = [item for item in found if item[column].lower() == value.lower()]
        page, size = int(asked.get("pageNumber", ["1"])[0]), int(asked.get("pageSize", [str(PAGE)])[0])
        shown = "".join(
            f"<{kind} id={quoteattr(key)} name={quoteattr(name)} contentUrl='x'>"
            f"<project id='p' name={quoteattr(project)}/></{kind}>"
            for _, key, name, project in found[(page - 1) * size : page * size]
        )
        pages = f'<pagination pageNumber="{page}" pageSize="{size}" totalAvailable="{len(found)}"/>'
        self._send(200, f"{pages}<{kind}s>{shown}</{kind}s>")

    def _refresh(self, kind: str, key: str) -> None:
        if key not in [item[1] for item in self.tableau.items if item[0] == kind]:
            self._send(404, _error("404006", "Resource Not Found", f"{kind} '{key}' could not be found."))
            return
        self._send(
            202, f'<job id="job-{key}" mode="Asynchronous" type="RefreshExtract" createdAt="2026-01-01T00:00:00Z"/>'
        )

    def _send(self, status: int, inner: str) -> None:
        text = f'<?xml version="1.0" encoding="UTF-8"?><tsResponse xmlns="{NAMESPACE}">{inner}</tsResponse>'
        content = b"" if status == 204 else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml;charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _error(code: str, summary: str, detail: str) -> str:
    return f'<error code="{code}"><summary>{summary}</summary><detail>{detail}</detail></error>'
