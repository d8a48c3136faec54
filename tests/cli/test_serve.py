"""`dbt-af-k8s serve`, as far as it starts no server; the rest is in `tests/server`."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dbt_af_k8s.cli.main import app
from dbt_af_k8s.server.secrets_hashed import is_password, is_token
from dbt_af_k8s.server.settings import AuthSection


def test_a_new_token_comes_with_its_line() -> None:
    result = CliRunner().invoke(app, ["serve", "--new-token", "airflow"])
    assert result.exit_code == 0
    token, *told = result.stdout.splitlines()
    (line,) = yaml.safe_load(told[-1])
    (known,) = AuthSection.model_validate({"tokens": [line]}).tokens
    assert known.name == "airflow"
    assert is_token(token, known.sha256)
    assert token not in line.values()


def test_a_password_is_asked_for_and_hashed() -> None:
    result = CliRunner().invoke(app, ["serve", "--hash-password"], input="gehéim\ngehéim\n")
    assert result.exit_code == 0
    (hashed,) = re.findall(r"scrypt\$\S+", result.stdout)
    assert is_password("gehéim", hashed)
    assert "gehéim" not in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no file"),
        ("projects: {shop: {project_dir: nowhere}}", "auth"),
        ("projects: [", "server.yml"),
    ],
)
def test_wrong_settings_end_with_a_message(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "server.yml"
    if text is not None:
        path.write_text(text)
    result = CliRunner().invoke(app, ["serve", "--config", str(path)])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--new-token", "a b: {"], "letters, digits"),
        (["--host", ""], "every address"),
        (["--port", "70000"], "65535"),
    ],
)
def test_options_that_cannot_be_are_told(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["serve", *options])
    assert result.exit_code == 2
    assert said in result.stderr
