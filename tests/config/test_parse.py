"""The checks of single keys; the texts are among `broken/`."""

from datetime import date, datetime

import pytest
from pydantic import ValidationError

from dbt_af_k8s.config.parse import parse_config
from dbt_af_k8s.config.written import Config


def test_sound_sections_are_kept_beside_broken_ones() -> None:
    written = {"waits": {"per": "dga"}, "tagets": {}, "schedules": {"nightly": {"cron": "0 2 * * *"}}, "strict": True}
    config, issues = parse_config(written, file="f.yml")
    assert {(issue.code, issue.key) for issue in issues} == {
        ("bad-setting", "waits.per"),
        ("unknown-setting", "tagets"),
    }
    assert all("Did you mean" in issue.fix for issue in issues)
    assert (list(config.schedules.named), config.strict, config.waits.per) == (["nightly"], True, "dag")


def test_keys_without_a_value_are_not_written() -> None:
    written = {"dags": None, "waits": {"poke": None}, "targets": {"default": None}, "domains": {"from": None}}
    assert parse_config(written, file="f.yml") == (Config(), ())


def test_one_text_stands_for_a_list_of_one() -> None:
    written = {"select": "a", "domains": {"from": "group"}, "pools": {"p": {"slots": 1, "kinds": "run"}}}
    config, issues = parse_config(written, file="f.yml")
    assert issues == ()
    assert (config.select, config.domains.sources, config.pools["p"].kinds) == (("a",), ("group",), ("run",))


@pytest.mark.parametrize("day", ["2026-02-01", date(2026, 2, 1), datetime(2026, 2, 1)])  # noqa: DTZ001 - as YAML has it
def test_dates_that_yaml_understood_are_texts_again(day: object) -> None:
    config, issues = parse_config({"dags": {"start_date": day}}, file="f.yml")
    assert issues == ()
    assert config.dags.start_date.startswith("2026-02-01")


def test_a_config_cannot_be_changed() -> None:
    config = Config()
    with pytest.raises(ValidationError):
        config.strict = True
