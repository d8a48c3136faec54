"""What the server says: numbers for Prometheus, its log, its description as a page."""

import json
import logging

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.server.description import describe
from dbt_af_k8s.server.json_log import JsonFormatter
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.openapi_text import openapi_html, openapi_markdown


def test_numbers_for_prometheus() -> None:
    metrics = Metrics()
    metrics.ended(State.SUCCESS, "slice", 0.7)
    metrics.ended(State.SUCCESS, "slice", 40.0)
    metrics.ended(State.FAILURE, "cold", 4000.0)
    metrics.requested("GET", '/a"b\\c\nd', 200)
    metrics.called_back("done")
    text = metrics.text({State.PENDING: 3, State.STARTED: 1}, 1, 2, {"shop": True})
    lines = text.splitlines()
    assert 'dbt_server_invocations{state="PENDING"} 3' in lines
    assert 'dbt_server_ended_total{state="SUCCESS",start="slice"} 2' in lines
    assert 'dbt_server_run_seconds_bucket{le="0.5"} 0' in lines
    assert 'dbt_server_run_seconds_bucket{le="1.0"} 1' in lines
    assert 'dbt_server_run_seconds_bucket{le="60.0"} 2' in lines
    assert 'dbt_server_run_seconds_bucket{le="+Inf"} 3' in lines
    assert "dbt_server_run_seconds_sum 4040.7" in lines
    assert 'dbt_server_requests_total{method="GET",route="/a\\"b\\\\c\\nd",status="200"} 1' in lines
    assert text.endswith("\n")
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(set(families)) == len(families) == 8


def test_a_line_of_the_log_is_json() -> None:
    record = logging.makeLogRecord(
        {"msg": "run %s", "args": ("ü",), "levelname": "INFO", "name": "x", "task_id": "a\nb"}
    )
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "x",
        "message": "run ü",
        "task_id": "a\nb",
    }


def test_the_description_names_every_address_and_how_to_authenticate() -> None:
    schema = describe()
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            is_open = path in ("/healthz", "/readyz")
            assert ("security" in operation) is not is_open, path
            assert is_open or {"401", "403"} <= operation["responses"].keys(), path
            assert operation["description"], path
    for text in (openapi_markdown(schema), openapi_html(schema)):
        for path in schema["paths"]:
            assert path in text
    assert describe() == schema


def test_what_stands_in_the_page_cannot_be_markup() -> None:
    schema = describe()
    schema["info"]["description"] = "<script>`a|b`</script>"
    assert "<script>" not in openapi_html(schema)
    assert "<code>a|b</code>" in openapi_html(schema)
