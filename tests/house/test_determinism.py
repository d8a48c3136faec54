"""The same project gives the same bytes, whatever order Python's sets have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

SEEDS = ("0", "1", "4294967295")
VIEWS = (
    ("plan", "--format", "json"),
    ("plan",),
    ("check", "--format", "json"),
    ("explain", "conversion", "--format", "json"),
)


@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_every_hash_seed_gives_the_same_bytes(parsed_shop: Path, view: tuple[str, ...]) -> None:
    program = str(Path(sys.executable).with_name("dbt-af-k8s"))
    outputs = []
    for seed in SEEDS:
        env = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run([program, *view], cwd=parsed_shop, env=env, capture_output=True, check=True)
        outputs.append(done.stdout)
    assert outputs[0]
    assert len(set(outputs)) == 1
