"""Requests of all kinds, made from the server's own OpenAPI description: every answer is one that it describes."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
import schemathesis
from desk import TOKENS, tokens
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from properties import examples
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.generation import GenerationMode
from server_process import ServerProcess, serving

pytestmark = pytest.mark.slow
#: Requests of each kind to each address; the seed is fixed, so that a failure comes again.
EXAMPLES = 6


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose dbt is a program that does nothing: what is asked for here is nothing that dbt could do."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "dbt_project.yml").write_text("name: shop\n")
    (folder / "true").write_text("#!/bin/sh\necho '{}'\n")
    (folder / "true").chmod(0o755)
    shop = {"project_dir": str(folder), "executable": str(folder / "true"), "warm": False}
    written = {
        "projects": {"shop": shop},
        "project_roots": [str(folder)],
        "auth": tokens(),
        "limits": {"queue": 50},
    }
    with serving(folder / "home", written) as server:
        server.token = TOKENS["admin"]
        server.ready()
        server.invoke("done", "run")
        server.ended("done")
        yield server
        assert server.process.poll() is None
        assert [line for line in server.logged() if "traceback" in line] == []


def test_every_answer_is_described(fuzzed: ServerProcess) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{fuzzed.port}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                ask(operation, mode)
            except Unsatisfiable:
                # There is no wrong way to ask for an address that takes nothing.
                assert mode is GenerationMode.NEGATIVE


def ask(operation: schemathesis.APIOperation, mode: GenerationMode) -> None:
    """Requests to one address that fit the description, or that do not."""

    @settings(max_examples=examples(EXAMPLES), suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: schemathesis.Case) -> None:
        # Left out: that what fits the description is taken. Whether dbt may do it, only the server can say.
        answer = case.call(headers={"Authorization": f"Bearer {TOKENS['admin']}"})
        excluded = [positive_data_acceptance]
        if case.operation.method == "get" and is_right(case.operation, urlsplit(answer.request.url).query):
            # What was made to be wrong is not, by the time that it is text in an address: a list of one name is a name.
            excluded.append(negative_data_rejection)
        case.validate_response(answer, excluded_checks=excluded)

    one()


def is_right(operation: schemathesis.APIOperation, query: str) -> bool:
    """Whether each value in an address is what the description asks for, or its number."""
    schemas = {found.name: found.definition["schema"] for found in operation.query}
    for name, written in parse_qsl(query, keep_blank_values=True):
        ways = (written, int(written)) if written.isdecimal() else (written,)
        if name in schemas and not any(Draft202012Validator(schemas[name]).is_valid(way) for way in ways):
            return False
    return True
