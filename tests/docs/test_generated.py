"""The generated pages are those that the code gives now: `UPDATE_GOLDENS=1` writes them again."""

import os
from pathlib import Path

import pytest
from generate import PAGES, issue_meanings
from issue_codes import find_codes
from pages import DOCS, ROOT


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_up_to_date(name: str) -> None:
    path = DOCS / name
    text = PAGES[name]()
    if os.environ.get("UPDATE_GOLDENS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "make docs writes it again"


def test_every_issue_code_has_its_meaning_and_no_other() -> None:
    codes = find_codes(ROOT / "dbt_af_k8s")
    assert codes.unread == [], "the reference cannot tell which code stands there"
    meanings = issue_meanings()
    assert sorted(meanings) == sorted(codes.severities), "docs/issue_meanings.yml has one entry for each code"
    assert [code for code, meaning in meanings.items() if not {"wrong", "fix"} <= set(meaning)] == []
    chosen = {code: meaning["severity"] for code, meaning in meanings.items() if "severity" in meaning}
    assert [code for code, severity in chosen.items() if severity not in codes.severities[code]] == []
    assert list(meanings) == sorted(meanings)


def test_codes_are_found_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "KINDS = {'a': 'from-mapping'}\n"
        "def one(kind, flag, fault):\n"
        "    code = 'if-so' if flag else 'if-not'\n"
        "    yield error(code, 'm', 'f')\n"
        "    yield warning('plain', 'm', 'f')\n"
        "    yield error(KINDS[kind], 'm', 'f')\n"
        "    raise ScheduleError(kind, 'm', 'f', 'k')\n"
        "    yield error(fault.code, 'm', 'f')\n"
        "def two(flag):\n"
        "    make, code = (warning, 'in-pair')\n"
        "    if flag:\n"
        "        make = error\n"
        "    return make(code, 'm', 'f')\n"
        "def three(flag):\n"
        "    make = error if flag else warning\n"
        "    return make('either', 'm', 'f')\n"
        "def tell(*, is_error, code):\n"
        "    make = error if is_error else warning\n"
        "    return make(code, 'm', 'f')\n"
        "def _code(failed):\n"
        "    if failed:\n"
        "        return 'returned'\n"
        "    return 'returned-else'\n"
        "def four(reading, flag, failed):\n"
        "    reading.tell(is_error=False, code='by-keyword')\n"
        "    reading.tell(is_error=flag, code=_code(failed))\n",
        encoding="utf-8",
    )
    found = find_codes(tmp_path)
    assert found.severities == {
        "if-so": {"error"},
        "if-not": {"error"},
        "plain": {"warning"},
        "from-mapping": {"error"},
        "in-pair": {"error", "warning"},
        "either": {"error", "warning"},
        "by-keyword": {"warning"},
        "returned": {"error", "warning"},
        "returned-else": {"error", "warning"},
    }
    assert found.unread == ["module.py:7"]
