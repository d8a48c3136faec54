"""Callbacks and integrations of the settings: what may be written, and by which names planning knows it."""

from typing import Any

import pytest

from dbt_af_k8s.config.callables import callables_of
from dbt_af_k8s.config.parse import parse_config
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.schema import settings_json_schema, settings_reference
from dbt_af_k8s.config.settings import Settings
from dbt_af_k8s.config.settings_integrations import Callbacks, CallbackSettings, Deadline, ExposureRule, Provider
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.errors import Issue


def resolved(written: dict[str, Any]) -> tuple[Settings, tuple[Issue, ...]]:
    config, issues = parse_config(written, file="dbt_af_k8s.yml")
    settings, more = resolve_settings(config, file="dbt_af_k8s.yml")
    return settings, (*issues, *more)


def sound(written: dict[str, Any]) -> Settings:
    settings, issues = resolved(written)
    assert not issues
    return settings


def test_nothing_is_called_by_default():
    settings = sound({})
    assert settings.callbacks == CallbackSettings()
    assert list(settings.integrations.providers) == ["tableau"]
    assert settings.integrations.artifacts is None
    assert callables_of(Config()) == {}


def test_callbacks_of_all_tasks_come_before_those_of_a_kind_and_each_once():
    callbacks = sound(
        {
            "callbacks": {
                "dag": {"on_success": "a.dag"},
                "task": {"on_failure": ["a.one", "a.two"]},
                "run": {"on_failure": ["a.three", "a.one"], "on_retry": "a.retry"},
            }
        }
    ).callbacks
    assert callbacks.dag == Callbacks(on_success=("a.dag",))
    assert callbacks.tasks["run"] == Callbacks(on_failure=("a.one", "a.two", "a.three"), on_retry=("a.retry",))
    assert callbacks.tasks["wait"] == Callbacks(on_failure=("a.one", "a.two"))


def test_kinds_without_callbacks_have_no_entry():
    assert list(sound({"callbacks": {"test": {"on_execute": "a.b"}}}).callbacks.tasks) == ["test"]


def test_a_deadline():
    deadline = {"after": "2h", "reference": "logical_date", "call": "a.late", "arguments": {"to": "anna"}}
    callbacks = sound({"callbacks": {"dag": {"deadline": deadline}}}).callbacks
    assert callbacks.deadline == Deadline(7200, "logical_date", "a.late", {"to": "anna"})


@pytest.mark.parametrize(
    ("written", "key", "told"),
    [
        ({"task": {"on_failure": "tell"}}, "callbacks.task.on_failure[0]", "is no dotted path"),
        ({"task": {"on_failure": ["a.b", "a/b.py"]}}, "callbacks.task.on_failure[1]", "is no dotted path"),
        ({"task": {"on_failure": "a..b"}}, "callbacks.task.on_failure[0]", "is no dotted path"),
        ({"task": {"on_failure": 3}}, "callbacks.task.on_failure", "must be a list"),
        ({"task": {"on_failure": [3]}}, "callbacks.task.on_failure[0]", "must be a dotted path"),
        ({"dag": {"on_retry": "a.b"}}, "callbacks.dag.on_retry", "is not known"),
        ({"models": {"on_retry": "a.b"}}, "callbacks.models", "is not known"),
        ({"dag": {"deadline": {"call": "a.b"}}}, "callbacks.dag.deadline.after", "is missing"),
        ({"dag": {"deadline": {"after": "2h"}}}, "callbacks.dag.deadline.call", "is missing"),
        (
            {"dag": {"deadline": {"after": "2h", "call": "a.b", "reference": "now"}}},
            "callbacks.dag.deadline.reference",
            "knows nothing like",
        ),
    ],
)
def test_what_cannot_be_called(written, key, told):
    _, issues = resolved({"callbacks": written})
    assert [(issue.key, told in issue.message) for issue in issues] == [(key, True)]


def test_things_made_in_python_are_known_by_their_key():
    def tell(context: Any) -> None:
        pass

    config = Config.model_validate(
        {
            "callbacks": {
                "dag": {"on_failure": tell, "deadline": {"after": 60, "call": tell}},
                "refresh": {"on_failure": ["a.b", tell]},
            },
            "integrations": {"providers": {"board": tell}},
        }
    )
    settings, issues = resolve_settings(config, file="Config")
    assert not issues
    assert settings.callbacks.dag.on_failure == ("callbacks.dag.on_failure[0]",)
    assert settings.callbacks.tasks["refresh"].on_failure == ("a.b", "callbacks.refresh.on_failure[1]")
    assert settings.callbacks.deadline == Deadline(60, "queued", "callbacks.dag.deadline.call")
    assert settings.integrations.providers["board"] == Provider("integrations.providers[board]")
    assert callables_of(config) == {
        "callbacks.dag.on_failure[0]": tell,
        "callbacks.dag.deadline.call": tell,
        "callbacks.refresh.on_failure[1]": tell,
        "integrations.providers[board]": tell,
    }


def test_tableau():
    providers = sound({"integrations": {"tableau": {"connection": "bi", "site": "", "timeout": "2m"}}})
    assert providers.integrations.providers["tableau"] == Provider(
        "tableau", {"connection": "bi", "timeout": 120, "site": ""}
    )


def test_exposure_rules_and_providers():
    rows = [{"when": {"type": "dashboard", "tag": ["bi*"], "name": "x"}, "provider": "board", "resource": {"a": 1}}]
    settings = sound({"integrations": {"providers": {"board": "my.Board"}, "exposures": rows}}).integrations
    assert settings.providers["board"] == Provider("my.Board")
    assert settings.exposures == (ExposureRule("board", ("dashboard",), ("bi*",), ("x",), {"a": 1}),)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ({"exposures": [{"provider": "tablo"}]}, "integrations.exposures[0].provider"),
        ({"exposures": [{}]}, "integrations.exposures[0].provider"),
        ({"providers": {"tableau": "my.Tableau"}}, "integrations.providers.tableau"),
        ({"providers": {"monte_carlo": "my.Mc"}}, "integrations.providers.monte_carlo"),
        ({"providers": {"board": "my"}}, "integrations.providers.board"),
        ({"tableau": {"password": "x"}}, "integrations.tableau.password"),
    ],
)
def test_wrong_integrations(written, key):
    _, issues = resolved({"integrations": written})
    assert [issue.key for issue in issues] == [key]
    assert issues[0].is_error


def test_monte_carlos_callbacks_come_after_ones_own():
    written = {"callbacks": {"task": {"on_failure": "a.b"}}, "integrations": {"monte_carlo": {"callbacks": True}}}
    callbacks = sound(written).callbacks
    mcd = "airflow_mcd.callbacks.mcd_callbacks.mcd"
    assert callbacks.tasks["run"].on_failure == ("a.b", f"{mcd}_task_failure_callback")
    assert callbacks.dag.on_success == (f"{mcd}_dag_success_callback",)
    assert callbacks.tasks["run"].on_skipped == ()


def test_monte_carlos_artefacts():
    written = {"artifacts": True, "connection": "mc", "warehouse": "shop", "required": True}
    settings = sound({"integrations": {"monte_carlo": written}}).integrations
    assert settings.artifacts == Provider("monte_carlo", {"connection": "mc", "warehouse": "shop"})
    assert settings.artifacts_required


def test_the_reference_has_each_section_once():
    reference = settings_reference()
    for section in ("callbacks", "callbacks.dag", "callbacks.<kind>", "integrations.exposures[]"):
        assert reference.count(f"## `{section}`\n") == 1
    assert "## `callbacks.run`" not in reference
    assert settings_json_schema() == settings_json_schema()
