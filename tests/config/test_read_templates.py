"""Templates are read from their search path, and from nowhere else."""

from pathlib import Path

import pytest

from dbt_af_k8s.config.read_templates import MOST_BYTES, template_finder
from dbt_af_k8s.errors import ProjectError


def test_the_first_folder_that_has_it_wins(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "jobs").mkdir(parents=True)
    (tmp_path / "b/jobs/x.yml").write_text("b", encoding="utf-8")
    find = template_finder([tmp_path / "a", tmp_path / "b"])
    found = find("jobs/x.yml")
    assert found is not None
    assert (found.text, found.file) == ("b", str(tmp_path / "b/jobs/x.yml"))
    (tmp_path / "a/jobs/x.yml").write_text("\ufeffa", encoding="utf-8")
    again = find("jobs/x.yml")
    assert again is not None
    assert again.text == "a"
    assert find("jobs") is None
    assert find("jobs/y.yml") is None


def test_links_within_the_folder_are_followed_and_others_are_not(tmp_path: Path) -> None:
    """A ConfigMap that is mounted is made of links within its folder."""
    root = tmp_path / "root"
    (root / "..data").mkdir(parents=True)
    (root / "..data/job.yml").write_text("inside", encoding="utf-8")
    (tmp_path / "secret.yml").write_text("outside", encoding="utf-8")
    (root / "job.yml").symlink_to("..data/job.yml")
    (root / "leak.yml").symlink_to(tmp_path / "secret.yml")
    (tmp_path / "current").symlink_to(root)
    find = template_finder([tmp_path / "current"])
    assert find("job.yml") is not None
    assert find("leak.yml") is None
    assert find("../secret.yml") is None
    assert find(str(tmp_path / "secret.yml")) is None


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"a\n\xff", "not UTF-8 \\(line 2\\)"), (b"a" * (MOST_BYTES + 1), "more than 1048576 bytes")],
)
def test_what_is_no_text_is_told(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "job.yml").write_bytes(data)
    with pytest.raises(ProjectError, match=told):
        template_finder([tmp_path])("job.yml")
