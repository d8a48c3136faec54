"""A selection by a form, under real Airflow (`dag.test`) and real dbt on DuckDB."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dag_test_lab import Answer
from many_kinds import plan_of, rows, write_project

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

GOOD = {
    "start_dttm": "2026-01-01",
    "end_dttm": "2026-01-03",
    "models": "orders+ reader",
    "extra": {
        "threads": 2,
        "exclude": "reader",
        "fail_fast": True,
        "vars": {"region": "$(touch hacked); `touch hacked`"},
    },
}
BAD = {
    "start_dttm": "2026-01-03",
    "models": "orders --project-dir",
    "target": "othr",
    "extra": {
        "vars": {"region": "{{ env_var('PATH') }}"},
        "threads": "2; touch hacked",
        "profiles-dir": "/tmp",
        "thread": 1,
    },
}


@pytest.fixture(scope="module")
def shop(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("selection") / "shop", programs)


@pytest.fixture(scope="module")
def answer(dag_test_lab: Any, shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """One DAG for each form, since `dag.test` keeps the form of a DAG's first run in a process."""
    dag = plan_of(shop)["shop_dbt_run_model"]
    forms = {"good": GOOD, "bad": BAD, "nothing": {"models": "tag:nobody"}, "empty": {"models": " "}}
    dags = tuple(replace(dag, dag_id=name) for name in forms)
    runs = [{"dag_id": name, "conf": form} for name, form in forms.items()]
    return dag_test_lab.run(tmp_path_factory.mktemp("dags") / "dags", shop, dags, runs)


def test_a_selection_runs_and_lists_its_nodes(answer: Answer, shop: Path) -> None:
    assert answer.states(0) == {"dbt_model": "success"}
    result = answer.task("dbt_model", 0)["result"]
    assert [(node["unique_id"], node["status"]) for node in result["nodes"]] == [
        ("model.shop.orders", "success"),
        ("model.shop.checked", "success"),
    ]
    assert rows(shop, "select id, region from orders order by id") == [
        (0, "$(touch hacked); `touch hacked`"),
        (1, "$(touch hacked); `touch hacked`"),
    ]


def test_what_is_wrong_with_a_form_is_told_at_once_and_nothing_runs(answer: Answer, shop: Path) -> None:
    assert answer.states(1) == {"dbt_model": "failed"}
    for line in (
        "The form has 7 problems:",
        "- start_dttm is given and end_dttm is not: give both, or leave both empty.",
        '- models cannot hold "--project-dir": a term of a selection does not begin with `-`',
        '- extra: no option "profiles-dir" may be given here; those that do:',
        '- extra: no option "thread" may be given here; did you mean `threads`?',
        '- extra: `threads` takes a whole number from 1, not "2; touch hacked".',
        "- extra has Jinja (`{{`) in `vars.region`: dbt would run it, so only plain text is taken.",
        "- target: profile `shop` has no target `othr`; did you mean `other`?",
    ):
        assert line in answer.log
    assert not list(shop.rglob("hacked"))


def test_a_selection_that_finds_nothing_is_red(answer: Answer) -> None:
    assert answer.states(2) == {"dbt_model": "failed"}
    assert "dbt found nothing to run (exit code 0)" in answer.log


def test_an_empty_form_does_not_run_the_whole_project(answer: Answer) -> None:
    assert answer.states(3) == {"dbt_model": "failed"}
    assert "models is empty: name what is to run" in answer.log
