"""What dbt in a pod is told and answers: it survives every log, and nothing else passes for an answer."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.dbt.freshness import SourceAge
from dbt_af_k8s.dbt.log_frames import is_frame, without_mark
from dbt_af_k8s.dbt.logs import LogDigest
from dbt_af_k8s.dbt.place import Outcome
from dbt_af_k8s.dbt.pod_job import (
    ANSWER_LINES,
    LARGEST_ANSWER,
    PodAnswer,
    PodJob,
    answer_lines,
    job_arguments,
    read_answer,
    read_job,
)
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.results import NodeResult
from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection

NODES = tuple(DbtSelection(f"test.shop.t{n}", "test", "shop", ("shop", f"t{n}"), ("model.shop.a",)) for n in range(3))
JOB = PodJob(
    words=("test", "--select", "fqn:shop.t[0]", "--vars", '{"a": "$(HOME) ü"}'),
    invocation=DbtInvocation("test", NODES, "prod", env=(("A", "b"),)),
    may_slice=True,
    project_dir="/dbt/project",
    manifest="target/manifest.json",
    manifest_sha256="ab",
)
OUTCOME = Outcome(
    ProcessEnd(1),
    LogDigest(fatal=None, errors=("one", "zwölf")),
    (NodeResult("test.shop.t0", "fail", "Got 3 results\n💥", 3, 0.5, None), NodeResult("test.shop.t1", "pass")),
    (SourceAge("source.shop.raw.a", "warn", 5.0, "2026-01-01", "2026-01-02", "warn after 1 day"),),
)
ANSWER = PodAnswer("0.1.0", OUTCOME, told=('{"a": 1}',))


def test_a_job_comes_back_from_its_arguments() -> None:
    arguments = job_arguments(JOB)
    assert read_job(arguments) == JOB
    assert JOB.words == arguments[2 : 2 + len(JOB.words)]
    assert read_job(job_arguments(replace(JOB, invocation=DbtInvocation("run", ())))).invocation.nodes == ()


@pytest.mark.parametrize("arguments", [(), ("1",), ("x", "{}"), ("0", "{}"), ("0", "[")])
def test_what_is_no_job_is_told_so(arguments: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any of its kinds
        read_job(arguments)


@given(st.randoms(use_true_random=False), st.integers(0, 400))
def test_an_answer_survives_prefixes_repeats_and_disorder(chance: random.Random, rows: int) -> None:
    results = tuple(NodeResult(f"model.shop.m{n}", "error", f"{chance.random()} " * 40) for n in range(rows))
    answer = replace(ANSWER, outcome=replace(OUTCOME, results=results))
    lines = [f"[base] {line} " for line in answer_lines(answer)]
    lines += chance.sample(lines, k=len(lines) // 2)
    lines += ["12:00 dbt said something", "", "dbt-af-k8s-result", without_mark(lines[0])]
    chance.shuffle(lines)
    assert read_answer(lines) == answer


def test_a_part_that_is_missing_or_changed_is_no_answer() -> None:
    results = tuple(NodeResult(f"m{n}", "success", f"{random.Random(n).random()}" * 9) for n in range(300))
    lines = list(answer_lines(replace(ANSWER, outcome=replace(OUTCOME, results=results))))
    assert len(lines) > 1
    assert read_answer(lines[1:]) is None
    broken = lines[0][:-5] + ("A" if lines[0][-5] != "A" else "B") + lines[0][-4:]
    assert read_answer([broken, *lines[1:]]) is None
    assert read_answer([]) is None


def test_the_last_whole_answer_counts() -> None:
    late = replace(ANSWER, refused="no")
    assert read_answer([*answer_lines(ANSWER), *answer_lines(late)]) == late


def test_what_dbt_writes_can_never_be_an_answer() -> None:
    (line,) = answer_lines(ANSWER)
    assert is_frame(line)
    assert not is_frame(without_mark(line))
    assert read_answer([without_mark(line)]) is None


def test_a_huge_answer_loses_words_before_rows() -> None:
    chance = random.Random(1)
    words = [f"{chance.getrandbits(64):x}" for _ in range(100_000)]
    results = tuple(NodeResult(f"model.shop.m{n}", "error", " ".join(words[n * 50 : n * 50 + 50])) for n in range(2000))
    lines = answer_lines(replace(ANSWER, outcome=replace(OUTCOME, results=results)))
    assert sum(len(line) for line in lines) < LARGEST_ANSWER * 1.1
    assert len(lines) < ANSWER_LINES
    found = read_answer(lines)
    assert found is not None
    assert found.outcome is not None
    assert found.outcome.results is not None
    assert [row.status for row in found.outcome.results] == ["error"] * 2000
    assert {len(row.message) for row in found.outcome.results} == {200}
