"""A task starts from its slice where that fits; else on the whole project, with the reason in its log."""

import json
import os
import shutil
import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.slices.start import program_path, python_of, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice, SliceStart
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: shop.duckdb}
    more_threads: {type: duckdb, path: shop.duckdb, threads: 4}
    elsewhere: {type: duckdb, path: shop.duckdb, schema: elsewhere}
    postgres: {type: postgres, host: 127.0.0.1, port: 1, user: u, password: p, dbname: shop, schema: main}
""",
    "macros/one.sql": "{% macro one() %}1{% endmacro %}",
    "models/a.sql": "select {{ one() }} as id",
    "models/b.sql": "select * from {{ ref('a') }}",
    "models/walks.sql": "select {{ graph.nodes | length }} as n",
    "models/outer.sql": "select 1 as id from {{ source('raw', 'a') }}",
    "models/_sources.yml": "sources: [{name: raw, schema: '{{ target.schema }}', tables: [{name: a}]}]",
}
START, END = datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)
DBT = str(Path(sys.executable).with_name("dbt"))


@pytest.fixture
def shop(tmp_path, parsed, remake_slices):
    root = Path(shutil.copytree(parsed.root, tmp_path / "shop"))
    return remake_slices(root, parsed.environment)


@pytest.fixture(scope="module")
def parsed(tmp_path_factory, slice_project):
    return slice_project(tmp_path_factory.mktemp("start") / "shop", FILES)


def started(shop, node: str = "model.shop.a", *, verb: str = "run", program: str = DBT) -> SliceStart | NoSlice:
    selection = DbtSelection(node, "model", "shop", ("shop", node.rpartition(".")[2]))
    return start_from_slice(
        DbtInvocation(verb, (selection,)),
        shop.store,
        (program, verb, "--select", "x"),
        project_dir=shop.root,
        target_path=shop.root,
        environment=shop.environment,
    )


def change_header(shop, **values: object) -> None:
    with sqlite3.connect(shop.store) as store:
        header = json.loads(store.execute("SELECT data FROM about WHERE name = 'header'").fetchone()[0])
        store.execute("UPDATE about SET data = ? WHERE name = 'header'", (json.dumps(header | values).encode(),))


@pytest.mark.dbt
def test_the_command(shop) -> None:
    start = started(shop)
    assert isinstance(start, SliceStart)
    assert start.argv[0] == sys.executable
    assert start.argv[1].endswith("dbt/driver.py")
    assert start.argv[2:] == (
        str(shop.store),
        str(shop.root / "slice_refused.txt"),
        DBT,
        "1",
        "model.shop.a",
        "run",
        "--select",
        "x",
    )


@pytest.mark.dbt
def test_a_copy_with_other_times_is_the_same_project(shop) -> None:
    for file in shop.root.rglob("*"):
        if file.is_file():
            os.utime(file, (1, 1))
    assert isinstance(started(shop), SliceStart)


@pytest.mark.dbt
@pytest.mark.parametrize(
    ("file", "because"),
    [
        ("models/a.sql", "models/a.sql has changed"),
        ("macros/one.sql", "macros/one.sql has changed"),
        ("dbt_project.yml", "dbt_project.yml has changed"),
    ],
)
def test_a_changed_file(shop, file: str, because: str) -> None:
    (shop.root / file).write_text((shop.root / file).read_text() + " \n")
    start = started(shop)
    assert isinstance(start, NoSlice)
    assert start.because.startswith(because)


@pytest.mark.dbt
def test_reasons_before_dbt_starts(shop, tmp_path: Path) -> None:
    wrapper = tmp_path / "dbt"
    wrapper.write_text('#!/bin/sh\nexport A=1\nexec dbt "$@"\n')
    wrapper.chmod(0o755)
    found = [
        started(shop, "model.shop.walks"),
        started(shop, "model.shop.gone"),
        started(shop, verb="compile"),
        started(shop, program=str(wrapper)),
        started(shop, program="dbt-of-nobody"),
    ]
    shop.store.write_bytes(b"no database at all" * 100)
    found.append(started(shop))
    shop.store.unlink()
    found.append(started(shop))
    told = [start.because for start in found if isinstance(start, NoSlice)]
    assert told == [
        "model.shop.walks has none: its Jinja walks `graph`",
        "model.shop.gone is not in the manifest that the slices were made from",
        "`dbt compile` does not run from slices",
        f"{wrapper} is no script of a Python environment that can be read",
        "dbt-of-nobody is no script of a Python environment that can be read",
        f"{shop.store.name} cannot be read: file is not a database",
        f"there is no file {shop.store}",
    ]


@pytest.mark.dbt
def test_a_store_of_another_form(shop) -> None:
    change_header(shop, format=0)
    start = started(shop)
    assert isinstance(start, NoSlice)
    assert "form of another version" in start.because


@pytest.mark.dbt
def test_a_read_only_folder(shop) -> None:
    shop.store.parent.chmod(0o555)
    try:
        assert isinstance(started(shop), SliceStart)
    finally:
        shop.store.parent.chmod(0o755)


SHEBANGS = {
    "plain": ("#!{python}\n{entry}\n", True),
    "long, as pip writes it": ("#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n{entry}\n", True),
    "unquoted": ("#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n{entry}\n", True),
    "with options": ("#!{python} -s\n{entry}\n", False),
    "a script of a team": ("#!{python}\nimport os\n", False),
    "a shell": ("#!/bin/bash\n{entry}\n", False),
    "no script": ("\x7fELF", False),
    "a python that is gone": ("#!/nowhere/python\n{entry}\n", False),
}


@pytest.mark.parametrize("name", SHEBANGS)
def test_the_python_of_a_dbt(name: str, tmp_path: Path) -> None:
    text, is_found = SHEBANGS[name]
    program = tmp_path / "dbt"
    program.write_text(text.format(python=sys.executable, entry="from dbt.cli.main import cli"))
    assert python_of(program, {}) == (sys.executable if is_found else None)


def test_a_dbt_by_env_and_path(tmp_path: Path) -> None:
    program = tmp_path / "dbt"
    program.write_text("#!/usr/bin/env python3\nfrom dbt.cli.main import cli\n")
    program.chmod(0o755)
    (tmp_path / "python3").symlink_to(sys.executable)
    environment = {"PATH": str(tmp_path)}
    assert program_path("dbt", environment) == program
    assert python_of(program, environment) == str(tmp_path / "python3")
    assert python_of(program, {"PATH": ""}) is None


def run(shop, node: str, *, target: str | None = None):
    """One task by its slice or without; the verdict and the lines of its log."""
    lines = []
    invocation = replace(shop.invocation(f"model.shop.{node}"), target=target)
    project = DbtProject(shop.root, shop.root, shop.store)
    found = DbtRun.here(invocation, project, environment=shop.environment).run(
        start=START, end=END, on_line=lines.append
    )
    return found, [line.message for line in lines]


def reasons(lines: list[str]) -> list[str]:
    head = "No slice of the manifest, so dbt parses the whole project: "
    return [line.removeprefix(head) for line in lines if line.startswith(head)]


def nodes_found(lines: list[str]) -> list[str]:
    """What dbt says it has read."""
    return [line for line in lines if line.startswith("Found ")]


@pytest.mark.dbt
@pytest.mark.slow
def test_a_task_from_its_slice(shop) -> None:
    for node, target in (("a", None), ("b", "more_threads")):
        found, lines = run(shop, node, target=target)
        assert found.ok, found.summary
        assert reasons(lines) == []
        assert nodes_found(lines)[0].startswith(f"Found {1 if node == 'a' else 2} model")
    assert not any("Warning" in line for line in lines)


@pytest.mark.dbt
@pytest.mark.slow
@pytest.mark.parametrize(
    ("node", "target", "because"),
    [
        (
            "a",
            "elsewhere",
            "the schema of model.shop.a is 'main' in it and 'elsewhere' on the target elsewhere.",
        ),
        (
            "outer",
            "elsewhere",
            "the schema of model.shop.outer is 'main' in it and 'elsewhere' on the target elsewhere.",
        ),
        ("walks", None, "model.shop.walks has none: its Jinja walks `graph`."),
    ],
)
def test_a_task_that_cannot_take_its_slice_runs_all_the_same(shop, node, target, because) -> None:
    if node == "outer":
        run(shop, "a", target="elsewhere")
    found, lines = run(shop, node, target=target)
    assert found.ok, found.summary
    assert reasons(lines) == [because]
    assert nodes_found(lines)[-1].startswith("Found 4 models")


@pytest.mark.dbt
@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"dbt_version": "1.10.3"}, "it was made by dbt 1.10.3, this is dbt 1.11."),
        ({"adapter_type": "snowflake"}, "it was made for snowflake, the target dev is duckdb."),
        ({"project_name": "other"}, "it was made for the project other, this is shop."),
    ],
)
def test_what_the_driver_refuses(shop, change, because) -> None:
    change_header(shop, **change)
    found, lines = run(shop, "a")
    assert found.ok, found.summary
    (told,) = reasons(lines)
    assert told.startswith(because)


@pytest.mark.dbt
@pytest.mark.slow
def test_a_store_that_dbt_cannot_load(shop) -> None:
    with sqlite3.connect(shop.store) as store:
        store.execute("UPDATE part SET data = x'00'")
    found, lines = run(shop, "a")
    assert found.ok, found.summary
    (told,) = reasons(lines)
    assert told.startswith("dbt cannot load it: ")


@pytest.mark.dbt
@pytest.mark.slow
def test_a_command_line_that_dbt_does_not_know_ends_as_with_dbt(shop) -> None:
    selection = shop.invocation("model.shop.a")
    project = DbtProject(shop.root, shop.root, shop.store)
    wrong = replace(selection, target="nobody")
    for given in (project, replace(project, slices=None)):
        lines = []
        found = DbtRun.here(wrong, given, environment=shop.environment).run(start=START, end=END, on_line=lines.append)
        assert not found.ok
        assert not found.retryable
        assert "does not have a target named 'nobody'" in found.summary
