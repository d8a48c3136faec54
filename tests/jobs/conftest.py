"""Templates that lie in folders: one folder is one situation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.jobs.run import JobRun
from dbt_af_k8s.jobs.template import render_template


@pytest.fixture
def rendered() -> Callable[[Path], TemplateText]:
    """Renders the template of a situation, with its variables."""

    def render(case: Path) -> TemplateText:
        def find(wanted: str) -> TemplateText | None:
            path = case / wanted
            return TemplateText(path.read_text(encoding="utf-8"), wanted) if path.is_file() else None

        variables: dict[str, Any] = {}
        if (case / "variables.yml").is_file():
            variables = yaml.safe_load((case / "variables.yml").read_text(encoding="utf-8"))
        return render_template("job.yml", find, variables, searched=("templates",))

    return render


@pytest.fixture
def run() -> JobRun:
    return JobRun("shop__daily", "export", "scheduled__2026-03-01T00:00:00+00:00")
