"""The texts for broken manifests: one folder of `broken/` each, with the file and what is told.

`UPDATE_GOLDENS=1` writes `expected.txt` anew; read the difference before it is committed. Never set in CI.
"""

import os
from pathlib import Path

import pytest

from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.manifest.read import read_manifest

CASES = sorted(path for path in (Path(__file__).parent / "broken").iterdir() if path.is_dir())


def told(case: Path) -> str:
    with pytest.raises(ProjectError) as caught:
        read_manifest(case / "manifest.json", project_dir=case)
    return "\n".join(str(issue) for issue in caught.value.issues) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_text_of_a_broken_manifest(case: Path) -> None:
    text = told(case)
    expected = case / "expected.txt"
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_there_are_cases() -> None:
    assert len(CASES) >= 25
