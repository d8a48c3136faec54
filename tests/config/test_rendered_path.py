"""Paths that were templates stay below the folder that was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.config.rendered_path import rendered_path_problem


@pytest.mark.parametrize(
    ("written", "filled", "is_right"),
    [
        ("/tmp/jobs/{{ x }}.yml", "a", True),
        ("/tmp/jobs/{{ x }}.yml", "a/b", True),
        ("/tmp/jobs/{{ x }}.yml", "../../opt/airflow/dags/evil", False),
        ("/tmp/jobs/{{ x }}.yml", "a/../b", False),
        ("/tmp/jobs/{{ x }}", "..", False),
        ("/tmp/../var/{{ x }}.yml", "a", True),
        ("{{ x }}", "/opt/templates", True),
        ("{{ x }}", "../templates", False),
        ("{{ x }}/a.yml", "/tmp/..", False),
        ("a-{{ x }}.yml", "b", True),
        ("jobs/{{ x }}", "a\0b", False),
        ("/{{ x }}", "a", True),
        ("/tmp/a.yml", "", True),
    ],
)
def test_what_fills_a_template_leads_nowhere_else(written: str, filled: str, is_right: bool) -> None:
    problem = rendered_path_problem("write_rendered_to", written, written.replace("{{ x }}", filled))
    assert (problem is None) is is_right, problem


def test_a_template_that_replaces_what_stood_before_it_is_refused() -> None:
    assert rendered_path_problem("template", "/tmp/a/{{ x }}", "/opt/b") is not None
    assert rendered_path_problem("template", None, None) is None


@given(st.text(st.sampled_from("./ab"), max_size=12))
def test_whatever_fills_it_the_path_is_below_its_folder(filled: str) -> None:
    import os

    rendered = f"/srv/jobs/{filled}.yml"
    if rendered_path_problem("x", "/srv/jobs/{{ x }}.yml", rendered) is None:
        assert os.path.normpath(rendered).startswith("/srv/jobs/")
