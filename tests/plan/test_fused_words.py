"""Misspelt words of `fused` are told."""

from collections.abc import Mapping
from typing import Any

import pytest
from building import model, plan_of


def told(fused: Mapping[str, Any], granularity: str = "fused") -> list[tuple[str, str | None, str]]:
    settings = {"granularity": granularity, "fused": fused}
    issues = plan_of(model("a"), model("b", materialized="lambda_view"), settings=settings).issues
    return [(issue.code, issue.key, issue.fix) for issue in issues]


def test_a_word_much_like_a_known_one() -> None:
    assert told({"cheap": ["view", "seeds"], "measured": "tabel"}) == [
        ("idle-setting", "fused.cheap[1]", "Did you mean `seed`?"),
        ("idle-setting", "fused.measured[0]", "Did you mean `table`?"),
    ]


@pytest.mark.parametrize("fused", [{"cheap": ["lambda_view"]}, {"cheap": ["of_another_package"]}, {"measured": []}])
def test_materializations_of_a_project(fused: Mapping[str, Any]) -> None:
    assert told(fused) == []


def test_words_that_are_not_used() -> None:
    assert told({"cheap": ["seeds"]}, granularity="node") == []
