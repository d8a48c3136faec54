"""The Dockerfile of dbt's pods: read, and what it runs run in a temporary folder. No image is built."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from shop_on_disk import Shop

from dbt_af_k8s.config.settings_runners import KubernetesPodOptions

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "dbt-pod"


def instructions() -> list[tuple[str, str]]:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    found = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in found]


def test_it_is_a_dockerfile_that_ends_as_nobody_in_the_runners_own_folder() -> None:
    words = [word for word, _ in instructions()]
    assert words[0] == "FROM"
    assert set(words) == {"FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER"}
    given = dict(instructions())
    assert given["COPY"].split() == [".", KubernetesPodOptions().project_dir]
    assert given["WORKDIR"] == KubernetesPodOptions().project_dir
    assert int(given["USER"]) > 0
    assert words[-1] == "USER"


def test_what_it_runs_runs(tmp_path: Path) -> None:
    shop = Shop(tmp_path).model("orders").write()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    commands = [json.loads(rest) for word, rest in instructions() if word == "RUN" and rest.startswith("[")]
    assert len(commands) == 3
    for command in commands:
        here = [part.replace("/usr/local/lib", str(shop.root)) for part in command]
        done = subprocess.run(here, cwd=shop.root, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    assert list(shop.root.glob("target/dbt_af_k8s/plan/*/index.json"))


@pytest.mark.parametrize("file", ["secrets-role.yaml"])
def test_the_role_reads_no_secret(file: str) -> None:
    role, binding = yaml.safe_load_all((FOLDER / file).read_text())
    assert [rule["verbs"] for rule in role["rules"]] == [["create", "delete"]]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
