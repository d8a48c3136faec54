"""The JSON schema and the reference page are made from the models, and are complete."""

import json
import subprocess
import sys

from dbt_af_k8s.config.node_meta import NODE_SETTING_NAMES
from dbt_af_k8s.config.schema import settings_json_schema, settings_reference
from dbt_af_k8s.config.written import Config


def test_every_key_has_a_meaning() -> None:
    schema = settings_json_schema()
    without = [
        f"{name}.{key}"
        for name, section in [("Config", schema), *schema["$defs"].items()]
        for key, part in section.get("properties", {}).items()
        if not part.get("description") and "$ref" not in part
    ]
    assert without == []
    assert all(section.get("description") for section in schema["$defs"].values())


def test_the_schema_has_no_nulls_and_refuses_unknown_keys() -> None:
    schema = settings_json_schema()
    assert '{"type": "null"}' not in json.dumps(schema)
    closed = [name for name, section in schema["$defs"].items() if section.get("additionalProperties") is not False]
    assert closed == ["SchedulesConfig"]
    assert schema["additionalProperties"] is False


def test_the_reference_names_every_key() -> None:
    page = settings_reference()
    for name in [*Config.model_fields, *NODE_SETTING_NAMES, "wait_policy", "from", "exponential_backoff", "when"]:
        assert f"| `{name}` |" in page
    for title in [
        "schedules.<name>",
        "pools.<name>",
        "runners.<name>` with type `dbt_api",
        "tasks[].when",
        "retries.<kind>",
    ]:
        assert page.count(f"## `{title}`\n") == 1
    assert "| `timeout` | seconds as a number, or text like `90s`, `30m`, `24h`, `7d` | `86400` |" in page


def test_the_same_page_comes_out_under_every_hash_seed() -> None:
    code = "from dbt_af_k8s.config.schema import *; import json; print(settings_reference(), settings_json_schema())"
    pages = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(pages) == 1
