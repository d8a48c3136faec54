"""What is read from the disk, and where it is looked for."""

from pathlib import Path

import pytest

from dbt_af_k8s.config.dbt_project import DbtProjectFile
from dbt_af_k8s.config.read import read_dbt_project, read_profile, read_settings
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.errors import ProjectError

PROFILES = "shop: {{target: {0}, outputs: {{{0}: {{type: duckdb}}}}}}\n"


def test_without_a_file_all_is_default(tmp_path: Path) -> None:
    assert read_settings(None, project_dir=tmp_path) == (Config(), "dbt_af_k8s.yml", ())


@pytest.mark.parametrize("name", ["dbt_af_k8s.yml", "dbt_af_k8s.yaml"])
def test_both_spellings_of_the_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("strict: true\n")
    config, file, issues = read_settings(None, project_dir=tmp_path)
    assert (config.strict, file, issues) == (True, name, ())


def test_a_named_file_is_taken_instead(tmp_path: Path) -> None:
    (tmp_path / "dbt_af_k8s.yml").write_text("strict: 5\n")
    other = tmp_path / "conf" / "prod.yml"
    other.parent.mkdir()
    other.write_text("strict: true\n")
    config, file, issues = read_settings(other, project_dir=tmp_path)
    assert (config.strict, file, issues) == (True, "conf/prod.yml", ())


def test_a_project_file(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text(
        "name: shop\nversion: 1.0\nprofile: \"{{ env_var('PROFILE', 'shop') }}\"\nvars: {a: 1}\n"
        "target-path: \"{{ env_var('OUT') }}/x\"\nmodels: {+materialized: table}\n"
    )
    found = read_dbt_project(tmp_path, env={"OUT": "build"})
    assert found == DbtProjectFile("shop", "shop", "1.0", "build/x", {"a": 1})


def test_a_project_file_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    assert read_dbt_project(tmp_path) == DbtProjectFile("shop")


def test_resource_paths_are_those_that_dbt_reads(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text(
        "name: shop\nmodel-paths: [models/, ../../common, \"{{ env_var('MORE') }}\"]\ndata-paths: [data]\n"
        "seed-paths: [seeds/raw]\nmacro-paths: []\ntest-paths: tests\nfunction-paths: ['.']\n"
    )
    found = read_dbt_project(tmp_path, env={"MORE": "extra"})
    assert found.resource_paths == (
        *(".", "../../common", "analyses", "extra", "models", "seeds/raw", "snapshots", "tests"),
    )
    assert [(issue.code, issue.key) for issue in found.issues] == [("bad-dbt-project", "test-paths")]
    (tmp_path / "dbt_project.yml").write_text("name: shop\nsource-paths: [sql]\n")
    assert "sql" in read_dbt_project(tmp_path).resource_paths


def test_a_target_path_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\ntarget-path: \"{{ env_var('OUT') }}\"\n")
    found = read_dbt_project(tmp_path)
    assert found.target_path == "target"
    assert [(issue.key, issue.is_error) for issue in found.issues] == [("target-path", False)]


def test_a_folder_without_project_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="not-a-dbt-project"):
        read_dbt_project(tmp_path)


def test_profiles_are_looked_for_where_dbt_does(tmp_path: Path) -> None:
    project, named, environment, home = (tmp_path / name for name in ("project", "named", "environment", "home"))
    project.mkdir()
    for folder, target in [
        (home / ".dbt", "home"),
        (project, "project"),
        (environment, "environment"),
        (named, "named"),
    ]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "profiles.yml").write_text(PROFILES.format(target))
        env = {"HOME": str(home)}
        if target in ("environment", "named"):
            env["DBT_PROFILES_DIR"] = str(environment)
        asked = named if target == "named" else None
        profile, issues = read_profile("shop", project_dir=project, profiles_dir=asked, env=env)
        assert issues == ()
        assert profile.default_target == target


def test_a_relative_folder_of_the_environment_is_one_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "profiles.yml").write_text(PROFILES.format("dev"))
    profile, _ = read_profile("shop", project_dir=tmp_path, profiles_dir=None, env={"DBT_PROFILES_DIR": "conf"})
    assert profile.default_target == "dev"


@pytest.mark.parametrize(("env", "asked"), [({}, False), ({"DBT_PROFILES_DIR": "no"}, False), ({}, True)])
def test_without_profiles_there_is_one_word_about_it(tmp_path: Path, env: dict[str, str], asked: bool) -> None:
    folder = tmp_path / "nothing" if asked else None
    profile, issues = read_profile("shop", project_dir=tmp_path, profiles_dir=folder, env=env)
    assert not profile.found
    assert [(issue.code, issue.is_error) for issue in issues] == [("no-profiles-file", asked)]


@pytest.mark.parametrize("name", [None, ""])
def test_a_project_without_profile(tmp_path: Path, name: str | None) -> None:
    profile, issues = read_profile(name, project_dir=tmp_path, profiles_dir=None, env={})
    assert not profile.found
    assert [(issue.code, issue.is_error) for issue in issues] == [("no-profile", False)]
