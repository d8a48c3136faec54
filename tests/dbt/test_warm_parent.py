"""The process that has dbt imported, with real dbt. That its children run models is shown by `tests/server`."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbt_af_k8s.dbt import warm
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.warm_parent import WRONG_PARSE, FromParse, FromSlices, WarmDbt, WarmLostError

pytestmark = pytest.mark.dbt

DBT = Path(sys.executable).with_name("dbt")


@pytest.fixture(scope="module")
def parent() -> Iterator[WarmDbt]:
    made = WarmDbt(sys.executable, DBT, os.environ)
    assert made.wait(120)
    yield made
    made.close()


def test_a_command_runs_in_a_child_and_the_next_one_is_not_touched_by_it(parent: WarmDbt, tmp_path: Path) -> None:
    for _ in range(2):
        lines: list[str] = []
        assert parent.new_run(("--version",), cwd=tmp_path).run(lines.append) == ProcessEnd(0)
        assert any("installed" in line for line in lines)
    assert parent.new_run(("no-such-verb",), cwd=tmp_path).run(lines.append).exit_code == 2
    assert "No such command 'no-such-verb'" in lines[-1]


def test_a_folder_that_is_not_there_ends_the_child_alone(parent: WarmDbt, tmp_path: Path) -> None:
    lines: list[str] = []
    assert parent.new_run(("--version",), cwd=tmp_path / "none").run(lines.append).exit_code == 2
    assert "FileNotFoundError" in lines[-1]
    assert parent.is_alive


def test_a_parse_that_is_not_loaded_is_told(parent: WarmDbt, tmp_path: Path) -> None:
    missing = tmp_path / "partial_parse.msgpack"
    assert "FileNotFoundError" in (parent.load(missing, 60) or "")
    run = parent.new_run(("run",), cwd=tmp_path, start=FromParse(missing))
    assert run.run(print) == ProcessEnd(WRONG_PARSE)
    assert warm.WRONG_PARSE == WRONG_PARSE


def test_a_slice_that_does_not_fit_is_refused(parent: WarmDbt, tmp_path: Path) -> None:
    refusal = tmp_path / "refused"
    start = FromSlices(tmp_path / "none.slices", refusal, ("model.a.b",))
    assert parent.new_run(("run",), cwd=tmp_path, start=start).run(print).exit_code == 1
    assert "cannot load it" in refusal.read_text()


def test_a_run_that_was_stopped_before_it_began_never_begins(parent: WarmDbt, tmp_path: Path) -> None:
    run = parent.new_run(("--version",), cwd=tmp_path)
    run.stop()
    assert run.run(print) == ProcessEnd(-signal.SIGINT, was_stopped=True)


def test_a_listener_that_fails_leaves_nothing_running(parent: WarmDbt, tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise KeyError(line)

    with pytest.raises(KeyError):
        parent.new_run(("--version",), cwd=tmp_path).run(fail)
    assert parent.new_run(("--version",), cwd=tmp_path).run(print).exit_code == 0


def test_a_parent_that_is_lost_says_so(tmp_path: Path) -> None:
    made = WarmDbt("/bin/cat", DBT, os.environ)
    assert not made.wait(30)
    assert not made.is_alive
    with pytest.raises(WarmLostError):
        made.new_run(("--version",), cwd=tmp_path).run(print)
    with pytest.raises(WarmLostError):
        made.load(tmp_path, 1)
    made.close()
