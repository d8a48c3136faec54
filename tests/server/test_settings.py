"""`server.yml`: what is wrong is told, all of it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbt_af_k8s.errors import ProjectError, UsageError
from dbt_af_k8s.server.database import PostgresDatabase, SqliteDatabase
from dbt_af_k8s.server.projects import Projects
from dbt_af_k8s.server.read_settings import parse_server_config, read_server_config, server_settings_reference
from dbt_af_k8s.server.serve import serve
from dbt_af_k8s.server.settings import LimitsSection, ServerConfig

LEAST = {"projects": {"shop": {"project_dir": "shop"}}}


def told(written: dict[str, object]) -> str:
    _, issues = parse_server_config({**LEAST, **written}, file="server.yml")
    return "\n".join(str(issue) for issue in issues)


def test_the_least_there_can_be() -> None:
    config, issues = parse_server_config(LEAST, file="server.yml")
    assert issues == ()
    assert config is not None
    assert (config.host, config.limits.concurrency, config.callbacks.hosts) == ("127.0.0.1", 2, ())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"projects": {}}, "`projects`"),
        ({"projects": {"a/b": {"project_dir": "x"}}}, "cannot be a project's name"),
        ({"projects": {"a": {"project_dri": "x"}}}, "project_dir"),
        ({"limits": {"verbs": ["run", "clean"]}}, "'clean'"),
        ({"limits": {"concurrency": 0}}, "at least 1"),
        ({"limits": {"runtime": "soon"}}, "runtime"),
        ({"port": 70000}, "port"),
        ({"auth": {"tokens": [{"name": "a", "sha256": "plain"}]}}, "sha256"),
        ({"auth": {"users": [{"name": "a", "password": "plain"}]}}, "password"),
        ({"auth": {"jwt": {"issuer": "i", "audience": "a"}}}, "needs one of"),
        ({"auth": {"jwt": {"issuer": "i", "audience": "a", "jwks_file": "f", "jwks_url": "https://i"}}}, "no two"),
        ({"auth": {"jwt": {"issuer": "i", "audience": "a", "jwks_url": "http://id.example.com/k"}}}, "no https"),
        ({"auth": {"jwt": {"issuer": "i", "audience": "a", "jwks_url": "file:///etc/keys"}}}, "no https"),
        ({"auth": {"jwt": {"issuer": "i", "audience": "a", "secret_variable": "S"}}}, "does not fit"),
        (
            {"auth": {"jwt": {"issuer": "i", "audience": "a", "jwks_file": "f", "algorithms": ["HS256", "RS256"]}}},
            "does not fit",
        ),
        ({"auth": {"tokens": [{"name": "a", "sha256": "0" * 64}] * 2}}, "one name"),
    ],
)
def test_what_is_wrong_is_told(written: dict[str, object], said: str) -> None:
    assert said in told(written)


@pytest.mark.parametrize("secret", ["hunter2-hunter2", 5551234])
def test_a_secret_that_stands_in_place_of_its_hash_is_not_repeated(secret: object) -> None:
    auth = {"tokens": [{"name": "a", "sha256": secret}], "users": [{"name": "a b", "password": secret}]}
    said = told({"auth": auth})
    assert "`dbt-af-k8s serve --new-token NAME` makes it" in said
    assert "`dbt-af-k8s serve --hash-password` makes it" in said
    assert "`auth.users[0].name` must be like" in said
    assert str(secret) not in said


def test_all_that_stops_the_server_is_told_at_once(tmp_path: Path) -> None:
    config = ServerConfig.model_validate(
        {
            "projects": {"a": {"project_dir": "a"}, "b": {"project_dir": "b", "profiles_dir": "p"}},
            "auth": {"tokens_file": "tokens.yml"},
            "tls": {"certificate": "no.pem", "key": "no.key"},
        }
    )
    with pytest.raises(UsageError) as told_together:
        serve(config, tmp_path, {}, no_auth=False)
    said = str(told_together.value)
    for file in ("tokens.yml", "a/dbt_project.yml", "b/dbt_project.yml", "p", "no.pem", "no.key"):
        assert re.search(f"{tmp_path}/{file}[ .]", said)
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_that_is_none_stops_the_server(tmp_path: Path) -> None:
    for name in ("a.pem", "a.key"):
        (tmp_path / name).write_text("nonsense")
    config = ServerConfig.model_validate({**LEAST, "tls": {"certificate": "a.pem", "key": "a.key"}})
    with pytest.raises(UsageError, match=r"not a certificate and its key"):
        serve(config, tmp_path, {}, no_auth=True)


@pytest.mark.parametrize(
    "address",
    [
        "postgres//u:hunter2@127.0.0.1/x",
        "postgresql://u:hun/ter2@127.0.0.1/x",
        "postgresql://u:12/hunter2@127.0.0.1/x",
        "postgresql://u:p@hunter2@127.0.0.1/x",
        "postgresql://u:%zzhunter2@127.0.0.1/x",
    ],
)
def test_an_address_that_postgres_reads_otherwise_is_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match="cannot be read") as told:
        PostgresDatabase(address)
    assert "ter2" not in str(told.value)


def test_a_file_that_is_missing_or_says_a_thing_twice(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="file-missing"):
        read_server_config(tmp_path / "server.yml")
    (tmp_path / "server.yml").write_text("port: 1\nport: 2\nprojects: {a: {project_dir: x}}\n")
    with pytest.raises(ProjectError, match="twice"):
        read_server_config(tmp_path / "server.yml")


def test_what_only_looks_may_take_less_time() -> None:
    limits = LimitsSection()
    assert [limits.runtime_of(verb) for verb in ("run", "ls", "compile", "docs generate")] == [21600, 900, 1800, 3600]
    short = LimitsSection(runtime=60, runtimes={"ls": 7200, "build": "2h"})
    assert [short.runtime_of(verb) for verb in ("run", "compile", "ls", "build")] == [60, 60, 7200, 7200]


def test_the_reference_has_every_section() -> None:
    text = server_settings_reference()
    for heading in ("projects.<name>", "auth.jwt", "auth.tokens[]", "limits", "callbacks", "tls", "state"):
        assert f"## `{heading}`" in text


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path / "state.sqlite")
    yield made
    made.close()


def projects(folder: Path, database: SqliteDatabase, **written: object) -> Projects:
    for name in ("shop", "roots/one"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "dbt_project.yml").write_text("name: x\n")
    config = ServerConfig.model_validate({**LEAST, **written})
    return Projects(config, folder, database)


def test_a_request_names_a_project_by_name_or_folder_or_not_at_all(tmp_path: Path, database: SqliteDatabase) -> None:
    found = projects(tmp_path, database)
    for named in (None, "shop", str(tmp_path / "shop"), f"{tmp_path}/shop/"):
        assert found.of_request(named).name == "shop"
    for named in ("", "other", "/etc", f"{tmp_path}/shop/../other", "a\0b"):
        with pytest.raises(UsageError):
            found.of_request(named)


def test_a_project_without_its_file_is_told(tmp_path: Path, database: SqliteDatabase) -> None:
    with pytest.raises(UsageError, match=r"Project shop: there is no .*dbt_project.yml"):
        projects(tmp_path, database, projects={"shop": {"project_dir": "nowhere"}})


def test_projects_are_registered_below_the_roots_and_stay(tmp_path: Path, database: SqliteDatabase) -> None:
    found = projects(tmp_path, database, project_roots=["roots"])
    (tmp_path / "roots" / "link").symlink_to(tmp_path / "shop")
    for outside in ("shop", "roots/../shop", "roots/link", str(tmp_path), "/etc"):
        with pytest.raises(UsageError, match="not below"):
            found.register("new", outside, None, None)
    with pytest.raises(UsageError, match="not below"):
        found.register("new", "roots/one", "/etc", None)
    with pytest.raises(UsageError, match="there is no"):
        found.register("new", "roots/two", None, None)
    made = found.register("one", "roots/one", None, "prod")
    assert found.find("one") == made
    assert not made.is_fixed
    with pytest.raises(UsageError, match="already"):
        found.register("one", "roots/one", None, None)
    assert sorted(found.all()) == ["one", "shop"]
    assert found.remove("one")
    assert not found.remove("shop")
    assert sorted(found.all()) == ["shop"]


def test_nothing_can_be_registered_without_roots(tmp_path: Path, database: SqliteDatabase) -> None:
    with pytest.raises(UsageError, match="not below"):
        projects(tmp_path, database).register("new", "roots/one", None, None)
