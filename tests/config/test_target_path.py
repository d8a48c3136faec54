"""Where dbt writes its artefacts: our one answer, against dbt's own, over generated texts and environments."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from dbt_af_k8s.config.dbt_project import parse_dbt_project
from dbt_af_k8s.config.read import read_dbt_project
from dbt_af_k8s.config.target_path import target_path_in
from dbt_af_k8s.config.yaml_text import load_yaml
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import manifest_file

PROFILES = "shop: {target: dev, outputs: {dev: {type: duckdb, path: x}}}\n"
NAMES = st.sampled_from(["OUT", "STAGE", "EMPTY"])
PATHS = st.sampled_from(
    ["target", "build", "a/b", "./x", "../y", "/abs/olute", "~/home", "", "with space", "t-1", "{odd}"]
)


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions that come to a text: `env_var` and `var`, with a default or without, one in the other."""
    defaults = st.one_of(st.just(""), inner.map(lambda text: f", {text}"))
    return st.one_of(
        st.builds("env_var('{}'{})".format, NAMES, defaults),
        st.builds("var('{}'{})".format, st.sampled_from(["out", "none"]), defaults),
        st.builds("{} ~ {}".format, inner, inner),
        st.builds("({} if {} == 'prod' else {})".format, inner, inner, inner),
        inner.map("{} | lower".format),
    )


EXPRESSIONS = st.recursive(PATHS.map(repr), calls, max_leaves=4)
PIECES = st.one_of(
    st.sampled_from(["build", "/", "-", "{# no #}", "{% raw %}{{x}}{% endraw %}"]),
    EXPRESSIONS.map("{{{{ {} }}}}".format),
)
TEXTS = st.one_of(PATHS, st.lists(PIECES, min_size=1, max_size=3).map("".join))
STYLES = st.sampled_from([None, "'", '"', "|", ">"])
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(["OUT", "STAGE", "EMPTY", "DBT_TARGET_PATH", "DBT_ENGINE_TARGET_PATH"]),
    st.sampled_from(["", "prod", "elsewhere", "/abs", "a/b"]),
)
FILES = st.one_of(
    st.just("name: shop\nprofile: shop\n# target-path: no\n"),
    st.builds(
        lambda text, style: yaml.dump({"name": "shop", "profile": "shop", "target-path": text}, default_style=style),
        TEXTS,
        STYLES,
    ),
    st.builds("{{name: shop, profile: shop, target-path: {}}}\n".format, TEXTS.map(json.dumps)),
    st.builds("name: shop\nprofile: shop\n'target-path'  : {}  # ours\n".format, TEXTS.map(json.dumps)),
)


def drawn(count: int) -> list[tuple[str, dict[str, str]]]:
    """The same cases each time: dbt is asked about all of them in one process."""
    found: list[tuple[str, dict[str, str]]] = []

    @seed(11)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(FILES, ENVIRONMENTS)
    def draw(text: str, env: dict[str, str]) -> None:
        found.append((text, env))

    draw()
    return found


@pytest.mark.dbt
def test_the_answer_is_dbts_own(tmp_path: Path) -> None:
    cases = drawn(300)
    lines = []
    for number, (text, env) in enumerate(cases):
        root = tmp_path / str(number)
        root.mkdir()
        (root / "dbt_project.yml").write_text(text)
        (root / "profiles.yml").write_text(PROFILES)
        lines.append(json.dumps({"root": str(root), "env": env}))
    script = Path(__file__).with_name("dbt_target_paths.py")
    done = subprocess.run(
        [sys.executable, str(script)], input="\n".join(lines), capture_output=True, text=True, timeout=300
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases), done.stderr
    # Without an answer dbt does nothing at all, and ours is only where we look for a manifest.
    assert answers.count(None) < len(cases) / 2
    for number, ((text, env), answer) in enumerate(zip(cases, answers, strict=True)):
        if answer is None:
            continue
        root = tmp_path / str(number)
        planned = root / read_dbt_project(root, env=env).target_path
        assert planned == root / answer, (text, env)
        assert manifest_file(PlanRequest(root), env) == planned / "manifest.json", (text, env)


@given(FILES, ENVIRONMENTS)
@settings(deadline=None)
def test_the_quick_reader_says_what_planning_says(text: str, env: dict[str, str]) -> None:
    mapping = load_yaml(text.encode(), file="dbt_project.yml").mapping
    planned = parse_dbt_project(mapping, file="dbt_project.yml", env=env).target_path
    assert target_path_in(text.encode(), env) == planned


@pytest.mark.parametrize("data", [b"target-path: [", b"target-path: '{{ x'", b"\xff target-path", b"- target-path"])
def test_a_file_that_cannot_be_read_gives_dbts_default(data: bytes) -> None:
    assert target_path_in(data, {}) == "target"
    assert target_path_in(data, {"DBT_TARGET_PATH": os.sep + "x"}) == "/x"
