"""The payload, really run: plain Python, an empty environment, no shell."""

import ast
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbt_af_k8s.manifest.values import Manifest, Node, Source
from dbt_af_k8s.pods.env import LONGEST_VARIABLE
from dbt_af_k8s.pods.payload import (
    BOOTSTRAP,
    SCRIPT,
    SCRIPT_FILE,
    packed_script,
    payload_issues,
    payload_of,
    planned_env,
    relations,
    run_env,
    too_large_conf,
)
from dbt_af_k8s.pods.values import Payload, PodRun


def start(
    payload: Payload, *, env: Mapping[str, str] | None = None, before: tuple[str, ...] = (), **more
) -> subprocess.CompletedProcess[str]:
    argv = [*before, sys.executable, "-c", BOOTSTRAP]
    given = {SCRIPT: packed_script(payload)} if env is None else env
    return subprocess.run(argv, env=given, capture_output=True, text=True, encoding="utf-8", timeout=60, **more)


def script(source: str) -> Payload:
    return Payload("model.shop.export", "export", "models/py/export.py", source)


def test_a_script_runs_as_the_main_program() -> None:
    source = (
        "import os, sys\n"
        "print(__name__, os.path.basename(__file__), sys.argv == [__file__], os.path.exists(__file__))\n"
        "print(sorted(name for name in os.environ if name.startswith('DBT_AF')), sys.stdin.read())\n"
    )
    done = start(script(source), input="typed")
    assert done.stdout == "__main__ export.py True True\n[] typed\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_text_of_every_alphabet_survives() -> None:
    payload = script("# -*- coding: latin-1 -*-\ntext = 'żółć 你好 😀 \\\\n $(HOME) {{ x }}'\nprint(text)\n")
    done = start(payload, env={SCRIPT: packed_script(payload), "PYTHONIOENCODING": "utf-8"})
    assert done.stdout == "żółć 你好 😀 \\n $(HOME) {{ x }}\n"


@pytest.mark.parametrize(("ending", "code"), [("", 0), ("sys.exit(7)", 7), ("raise SystemExit('bad')", 1), ("1/0", 1)])
def test_the_exit_code_is_the_scripts_own(ending: str, code: int) -> None:
    assert start(script(f"import sys\n{ending}\n")).returncode == code


def test_a_failure_shows_file_line_and_text_of_the_script() -> None:
    done = start(script("def f():\n    return 1 / 0  # here\n\nf()\n"))
    assert 'models/py/export.py", line 2, in f\n    return 1 / 0  # here\n' in done.stderr


def test_a_syntax_error_shows_file_line_and_text_of_the_script() -> None:
    done = start(script("a = 1\nb = = 2\n"))
    assert done.returncode == 1
    assert 'models/py/export.py", line 2\n    b = = 2\n' in done.stderr
    assert done.stderr.endswith("SyntaxError: invalid syntax\n")


def test_a_script_can_start_processes_of_its_own() -> None:
    source = (
        "import multiprocessing\n"
        "def double(x):\n    return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(double, [1, 2]))\n"
    )
    done = start(script(source))
    assert (done.stdout, done.stderr) == ("[2, 4]\n", "")


def test_modules_of_the_working_folder_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("NAME = 'from the image'\n")
    assert start(script("import shared\nprint(shared.NAME)\n"), cwd=tmp_path).stdout == "from the image\n"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    payload = script("import os\nprint(os.path.exists(__file__))\n")
    done = start(payload, env={SCRIPT: packed_script(payload), "TMPDIR": str(tmp_path)})
    assert done.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_no_place_to_write_is_no_obstacle() -> None:
    source = "from dbt_af_k8s_pod import PodContext\nprint(PodContext.from_env().refs, '__file__' in dir())\n1 / 0\n"
    no_folder = "import tempfile\ndef mkdtemp(*_, **__):\n    raise OSError('read-only')\ntempfile.mkdtemp = mkdtemp\n"
    argv = [sys.executable, "-c", no_folder + BOOTSTRAP]
    env = {SCRIPT: packed_script(script(source))}
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert done.stdout == "{} False\n"
    assert 'File "models/py/export.py", line 3, in <module>\n    1 / 0\n' in done.stderr


def test_the_script_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(packed_script(script("print('from a file')\n")))
    assert start(script(""), env={SCRIPT_FILE: str(file)}).stdout == "from a file\n"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_process_one_ends_on_sigterm_and_tidies_up() -> None:
    space = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child=KILL")
    if subprocess.run([*space, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives no PID namespace")
    source = (
        "import os, signal, subprocess, sys, time\n"
        "print(os.getpid())\n"
        "try:\n"
        "    subprocess.run([sys.executable, '-c', 'import os, signal; os.kill(1, signal.SIGTERM)'])\n"
        "    time.sleep(30)\n"
        "finally:\n"
        "    print('tidied')\n"
    )
    done = start(script(source), before=space)
    assert (done.stdout, done.returncode) == ("1\ntidied\n", 143)


def test_a_signal_of_another_process_is_left_to_python() -> None:
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    assert start(script(source)).returncode == -signal.SIGTERM


def test_the_variables_are_those_of_the_contract(payload: Payload, run: PodRun) -> None:
    env = dict((*planned_env(payload), *run_env(run)))
    assert json.loads(base64.b64decode(env["MODEL_CONFIG_B64"])) == payload.config
    assert json.loads(env["DAG_RUN_CONF"]) == {"full": True}
    assert env["START_DTTM"] == "2026-03-01T00:00:00+00:00"
    assert env["END_DTTM"] == "2026-03-02T00:00:00+00:00"
    assert json.loads(env["DBT_AF_REFS"]) == dict(payload.refs)
    assert env["DBT_AF_THIS"] == '"shop"."main"."export"'
    assert env["DBT_AF_NODE"] == "model.shop.export"


def test_a_time_without_zone_is_refused() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="needs a time zone: 2026-01-01"):
        run_env(PodRun(naive, datetime(2026, 1, 2, tzinfo=UTC)))


def test_the_same_payload_gives_the_same_bytes(payload: Payload) -> None:
    other = replace(payload, config=dict(reversed(payload.config.items())))
    assert planned_env(other) == planned_env(payload)
    assert packed_script(other) == packed_script(payload)


@pytest.mark.parametrize("file", ["../../etc/export.py", "/export.py", "models\\export.py", "", "./a/../b.py"])
def test_a_file_stays_below_the_folder_that_is_made_for_it(file: str) -> None:
    source = (
        "import os, tempfile\nprint(os.path.realpath(__file__).startswith(os.path.realpath(tempfile.gettempdir())))\n"
    )
    assert start(replace(script(source), file=file)).stdout == "True\n"


def noise(size: int) -> str:
    """Text that does not get shorter."""
    return base64.b64encode(os.urandom(size)).decode()


def test_a_large_script_that_compresses_well_fits() -> None:
    assert payload_issues(script("print('the same line again')\n" * 20_000), "env") == ()


def test_a_script_too_large_for_a_variable_is_told_with_the_ways_out() -> None:
    payload = script(f"# {noise(150_000)}\n")
    (issue,) = payload_issues(payload, "env")
    assert (issue.code, issue.node, issue.file) == ("script-too-large", payload.node, payload.file)
    assert "`script_from: config_map`" in issue.fix
    assert "`script_from: image`" in issue.fix
    assert payload_issues(payload, "config_map") == payload_issues(payload, "image") == ()


def test_a_script_too_large_for_a_config_map_is_told() -> None:
    (issue,) = payload_issues(script(f"# {noise(1_200_000)}\n"), "config_map")
    assert (issue.code, "script_from: image" in issue.fix) == ("script-too-large", True)


def test_a_config_or_refs_too_large_are_told(payload: Payload) -> None:
    large = replace(payload, config={"meta": "x" * 99_000}, refs=((noise(90), "x" * LONGEST_VARIABLE),))
    assert [issue.message.split("`")[1] for issue in payload_issues(large, "env")] == [
        "DBT_AF_REFS",
        "MODEL_CONFIG_B64",
    ]


def test_a_run_configuration_that_just_fits_starts_a_process() -> None:
    conf = {"a": "x" * (LONGEST_VARIABLE - len('DAG_RUN_CONF={"a": ""}'))}
    assert too_large_conf(conf) is None
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    env = dict(run_env(PodRun(moment, moment, conf)))
    subprocess.run([sys.executable, "-c", ""], env=env, check=True)
    told = too_large_conf({"a": conf["a"] + "x"})
    assert told is not None
    assert told.startswith("The run configuration has 131072 bytes")


def test_the_bootstrap_is_python_of_any_age_and_safe_in_a_manifest() -> None:
    ast.parse(BOOTSTRAP, feature_version=(3, 4))
    assert not any(mark in BOOTSTRAP for mark in ("$", "{{", "{%"))


@pytest.fixture
def manifest() -> Manifest:
    def model(package: str, name: str, **more) -> Node:
        unique_id = ".".join(("model", package, name, *([f"v{more['version']}"] if "version" in more else ())))
        relation = {"relation_name": f"db.{package}.{name}"} | more
        return Node(unique_id, "model", name, package, f"{name}.py", f"models/{name}.py", (package, name), **relation)

    nodes = [
        model("shop", "orders"),
        model("shop", "users", version="2"),
        model("shop", "inlined", materialized="ephemeral", relation_name=None),
        model("other", "orders"),
        model("other", "items"),
    ]
    clicks = Source(
        "source.shop.raw.clicks",
        "raw",
        "clicks",
        "shop",
        "x.yml",
        "models/x.yml",
        ("shop",),
        relation_name="db.raw.clicks",
    )
    parents = (*(node.unique_id for node in nodes), clicks.unique_id, "model.shop.gone")
    export = model("shop", "export", parents=parents, config={"a": 1})
    every = {node.unique_id: node for node in (*nodes, export)}
    return Manifest("", 12, "1.11", "shop", "duckdb", every, {clicks.unique_id: clicks})


def test_refs_have_the_names_that_the_code_uses(manifest: Manifest) -> None:
    assert relations(manifest.nodes["model.shop.export"], manifest) == (
        ("items", "db.other.items"),
        ("orders", "db.shop.orders"),
        ("other.items", "db.other.items"),
        ("other.orders", "db.other.orders"),
        ("raw.clicks", "db.raw.clicks"),
        ("users.v2", "db.shop.users"),
    )


def test_a_payload_is_made_of_a_node_and_its_text(manifest: Manifest) -> None:
    made = payload_of(manifest.nodes["model.shop.export"], manifest, "print(1)\n")
    assert (made.name, made.file, made.source) == ("export", "models/export.py", "print(1)\n")
    assert (made.config, made.this, dict(made.refs)["orders"]) == ({"a": 1}, "db.shop.export", "db.shop.orders")
