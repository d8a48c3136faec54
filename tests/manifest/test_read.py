"""The manifest on disk: missing, a folder, outside the project."""

from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.errors import Issue, ProjectError
from dbt_af_k8s.manifest.read import read_manifest


def only_issue(path: Path, project: Path) -> Issue:
    with pytest.raises(ProjectError) as caught:
        read_manifest(path, project_dir=project)
    (issue,) = caught.value.issues
    return issue


def test_it_is_read(tmp_path: Path, manifest_json: Any) -> None:
    path = tmp_path / "target" / "manifest.json"
    path.parent.mkdir()
    path.write_bytes(manifest_json.node("model.shop.orders").bytes())
    assert list(read_manifest(path, project_dir=tmp_path).nodes) == ["model.shop.orders"]


def test_a_missing_one_says_how_to_make_it(tmp_path: Path) -> None:
    issue = only_issue(tmp_path / "target" / "manifest.json", tmp_path)
    assert (issue.code, issue.file) == ("manifest-missing", "target/manifest.json")
    assert "dbt parse" in issue.fix
    assert "--manifest" in issue.fix


def test_outside_the_project_the_whole_path_is_named(tmp_path: Path) -> None:
    issue = only_issue(tmp_path / "elsewhere.json", tmp_path / "project")
    assert issue.file == (tmp_path / "elsewhere.json").as_posix()


@pytest.mark.parametrize("name", ["", "a\0b.json", "x" * 5000, "line\nbreak.json", "file.json/inside"])
def test_paths_that_cannot_be_are_issues(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.json").write_text("{}")
    issue = only_issue(tmp_path / name, tmp_path)
    assert issue.code in {"manifest-unreadable", "manifest-missing"}
    assert "\n" not in f"{issue.file}{issue.message}"


def test_problems_inside_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(b'{"metadata"')
    issue = only_issue(path, tmp_path)
    assert (issue.code, issue.file) == ("manifest-truncated", "manifest.json")
