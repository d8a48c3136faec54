"""A full temporary folder: dbt is not started, for it would build and could not say so."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbt_af_k8s.dbt.place import PlaceError
from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_dbt_is_not_started(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tiny))
    dbt = tmp_path / "dbt"
    dbt.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    dbt.chmod(0o755)
    invocation = DbtInvocation(verb="run", nodes=(node_by_id("model.shop.orders"),), executable=str(dbt))
    run = DbtRun.here(invocation, DbtProject(tmp_path), environment=os.environ)
    day = datetime(2026, 1, 11, tzinfo=UTC)
    with pytest.raises(PlaceError, match=r"no room for dbt's results.*was not started.*TMPDIR"):
        run.run(start=day, end=day.replace(day=12), on_line=print)
    assert not (tmp_path / "started").exists()
