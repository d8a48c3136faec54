"""Tables, trees, Mermaid and pictures: what they say, and that they hold whatever names a project has."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from dbt_af_k8s.errors import UsageError, error
from dbt_af_k8s.plan.render.html import to_html
from dbt_af_k8s.plan.render.layout import lay_out
from dbt_af_k8s.plan.render.mermaid import to_mermaid
from dbt_af_k8s.plan.render.picture import Arrow, Box, Picture, Row, domain_picture, node_picture
from dbt_af_k8s.plan.render.svg import to_svg
from dbt_af_k8s.plan.render.text import SummaryRow, schedule_label, summary_rows, tree_lines
from dbt_af_k8s.plan.values import DagKind, DagPlan, NotWaited, Plan, TaskKind, TaskPlan, WaitsFor

START = datetime(2026, 1, 1, tzinfo=UTC)


def wait(dag_id: str, task_id: str, policy: str = "last") -> TaskPlan:
    waits_for = WaitsFor(dag_id, task_id, f"model.shop.{task_id}", policy, "0 * * * *", "UTC", START, False)
    return TaskPlan(f"wait__{task_id}", TaskKind.WAIT, waits_for=waits_for)


def run(name: str, *upstream: str, group: str | None = None) -> TaskPlan:
    return TaskPlan(name, TaskKind.RUN, (f"model.shop.{name}",), upstream, group, target="warehouse")


def dag(domain: str, name: str, cron: str | None, *tasks: TaskPlan, timezone: str = "UTC") -> DagPlan:
    kind = DagKind.SCHEDULED if cron else DagKind.MANUAL
    return DagPlan(f"{domain}__{name.strip('@')}", kind, domain, cron, name, timezone, START, tasks=tasks)


TESTS = TaskPlan("orders__tests", TaskKind.TEST, ("test.a", "test.b"), ("orders",), "orders__group")
SALES = dag("sales", "@hourly", "0 * * * *", run("orders", group="orders__group"), TESTS, run("items", "orders__tests"))
TOTALS = dag("sales", "@daily", "0 0 * * *", wait("sales__hourly", "orders", "all"), run("totals", "wait__orders"))
FINANCE = dag(
    "finance",
    "nightly",
    "30 2 * * *",
    wait("sales__hourly", "orders", "all"),
    wait("sales__daily", "totals"),
    run("revenue", "wait__orders", "wait__totals"),
    timezone="Europe/Berlin",
)
NO_WAIT = NotWaited("model.shop.orders", "model.shop.forecast", "manual", "only a person starts it")
SCIENCE = dag("science", "@manual", None, replace(run("forecast"), not_waited=(NO_WAIT,)))
PLAN = Plan("shop", "abc", "1.11.16", (FINANCE, SALES, TOTALS, SCIENCE))


def test_summary_rows() -> None:
    finance, sales, *_, science = summary_rows(PLAN)
    assert finance == SummaryRow(
        dag_id="finance__nightly",
        domain="finance",
        kind="scheduled",
        schedule="nightly, Europe/Berlin",
        runs=(("model", 1),),
        waits=2,
        waits_for=("sales__daily", "sales__hourly"),
        targets=("warehouse",),
        tasks=3,
        is_broken=False,
    )
    assert sales.runs == (("models", 2), ("tests", 2))
    assert science.schedule == "by hand"


def test_a_shifted_preset_shows_its_cron() -> None:
    assert schedule_label(replace(TOTALS, schedule_name="@weekly", schedule="0 0 * * 1")) == "@weekly (0 0 * * 1)"
    assert schedule_label(replace(TOTALS, schedule_name="5 4 * * *", schedule="5 4 * * *")) == "5 4 * * *"


def test_broken_dag_counts_nothing() -> None:
    broken = replace(
        SALES, problems=(error("cycle", "a cycle", "break it"),), tasks=(TaskPlan("x", TaskKind.ENDPOINT),)
    )
    (row,) = summary_rows(replace(PLAN, dags=(broken,)))
    assert row.is_broken
    assert row.runs == ()


def test_tree() -> None:
    assert "\n".join(tree_lines(PLAN)) == (
        "shop (dbt 1.11.16)\n"
        "├─ finance__nightly [nightly, Europe/Berlin]\n"
        "│  ├─ wait__orders (waits for sales__hourly.orders, all)\n"
        "│  ├─ wait__totals (waits for sales__daily.totals, last)\n"
        "│  └─ revenue (run on warehouse) <- wait__orders, wait__totals\n"
        "├─ sales__hourly [@hourly]\n"
        "│  ├─ orders__group\n"
        "│  │  ├─ orders (run on warehouse)\n"
        "│  │  └─ orders__tests (test) <- orders\n"
        "│  └─ items (run on warehouse) <- orders__tests\n"
        "├─ sales__daily [@daily]\n"
        "│  ├─ wait__orders (waits for sales__hourly.orders, all)\n"
        "│  └─ totals (run on warehouse) <- wait__orders\n"
        "└─ science__manual [by hand]\n"
        "   └─ forecast (run on warehouse)"
    )


def test_mermaid_of_domains() -> None:
    assert to_mermaid(domain_picture(PLAN)) == (
        "%% Domains of shop: 3 domains, 4 DAGs, 1 wait between domains. An arrow goes from what runs first.\n"
        "flowchart LR\n"
        '  n0["finance<br/>nightly, Europe/Berlin 1 model"]\n'
        '  n1["sales<br/>@hourly 2 models · 2 tests<br/>@daily 1 model<br/>↻ @daily waits for @hourly (all)"]\n'
        '  n2[/"science<br/>by hand 1 model"/]:::manual\n'
        '  n1 ==>|"last, all"| n0\n'
        '  n1 -.->|"no wait"| n2\n'
        "  classDef manual stroke-dasharray:4 3\n"
    )


def test_a_domain_with_many_kinds_of_task_tells_the_first() -> None:
    kinds = (TaskKind.RUN, TaskKind.SEED, TaskKind.SNAPSHOT, TaskKind.FRESHNESS, TaskKind.MAINTENANCE)
    tasks = tuple(TaskPlan(kind.value, kind, (f"model.shop.{kind.value}",)) for kind in kinds)
    (box,) = domain_picture(replace(PLAN, dags=(replace(TOTALS, tasks=tasks),))).boxes
    assert [row.text for row in box.rows] == ["1 model · 1 seed · 1 snapshot · …"]


def test_mermaid_of_one_dag() -> None:
    assert to_mermaid(node_picture(PLAN, "sales__daily")) == (
        "%% sales__daily, @daily: 2 tasks, 1 edge. An arrow goes from what runs first.\n"
        "flowchart LR\n"
        '  subgraph c0["sales__daily"]\n'
        '    n0(["wait__orders"]):::wait\n'
        '    n1["totals"]\n'
        "  end\n"
        "  n0 --> n1\n"
        "  classDef wait stroke-dasharray:4 3\n"
    )


def test_all_tasks_are_joined_by_the_waits_between_dags() -> None:
    picture = node_picture(PLAN)
    assert len(picture.boxes) == 9
    waits = {(arrow.source, arrow.target, arrow.kind) for arrow in picture.arrows if arrow.kind != "edge"}
    assert waits == {
        ("sales__daily.totals", "finance__nightly.wait__totals", "last"),
        ("sales__hourly.orders", "finance__nightly.wait__orders", "all"),
        ("sales__hourly.orders", "sales__daily.wait__orders", "all"),
    }


def test_unknown_dag() -> None:
    with pytest.raises(UsageError, match="no DAG sales__weekly; it has finance__nightly, sales__hourly"):
        node_picture(PLAN, "sales__weekly")


def test_mermaid_marks_in_names_do_no_harm() -> None:
    nasty = Picture("a\n%% b", "c", (Box("x", 'say "<b>hi</b>"; end #1 `x`\n'),), ())
    (line,) = [line for line in to_mermaid(nasty).splitlines() if "n0" in line]
    assert line == '  n0["say #quot;#lt;b#gt;hi#lt;/b#gt;#quot;; end #35;1 #96;x#96;"]'


def test_without_igraph_the_way_out_is_told() -> None:
    program = (
        "import sys; sys.modules['igraph'] = None\n"
        "from dbt_af_k8s.plan.render.layout import lay_out\n"
        "from dbt_af_k8s.plan.render.picture import Arrow, Box, Picture\n"
        "lay_out(Picture('t', 'd', (Box('a', 'a'), Box('b', 'b')), (Arrow('a', 'b'),)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "UsageError: Pictures as SVG and HTML need igraph" in done.stderr
    assert "pip install 'dbt-af-k8s[graph]'" in done.stderr


class TestDrawing:
    """Pictures that are laid out: these need igraph."""

    @pytest.fixture(autouse=True)
    def igraph(self) -> None:
        pytest.importorskip("igraph")

    def test_svg_says_what_the_picture_says(self) -> None:
        svg = to_svg(lay_out(domain_picture(PLAN)))
        root = ElementTree.fromstring(svg)
        texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text")]
        for text in ("Domains of shop", "sales", "@hourly", "2 models · 2 tests", "last, all", "no wait"):
            assert text in texts
        assert "finance waits of both kinds: sales." in svg
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")

    def test_html_is_whole_in_itself(self) -> None:
        html = to_html(lay_out(domain_picture(PLAN)), PLAN)
        assert html.startswith("<!DOCTYPE html>")
        assert "prefers-color-scheme: dark" in html
        assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
        assert '<th scope="row"><code>finance__nightly</code></th><td>finance</td>' in html

    def test_domains_that_wait_for_each_other_are_drawn(self) -> None:
        sales = replace(SALES, tasks=(wait("finance__nightly", "revenue"), *SALES.tasks))
        drawing = lay_out(domain_picture(replace(PLAN, dags=(FINANCE, sales, TOTALS))))
        assert {(each.arrow.source, each.arrow.target) for each in drawing.arrows} == {
            ("finance", "sales"),
            ("sales", "finance"),
        }

    def test_an_empty_plan_is_drawn(self) -> None:
        empty = Plan("shop", "abc", "1.11.16", ())
        assert "0 domains" in to_html(lay_out(domain_picture(empty)), empty)

    @given(st.data())
    @settings(max_examples=examples(60))
    def test_boxes_never_lie_on_each_other(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, 14))
        number = st.integers(0, count - 1)
        pairs = data.draw(st.sets(st.tuples(number, number).filter(lambda pair: pair[0] != pair[1]), max_size=20))
        boxes = tuple(
            Box(str(index), data.draw(st.text(max_size=60)), tuple(Row("@daily", "x") for _ in range(index % 4)))
            for index in range(count)
        )
        arrows = tuple(Arrow(str(up), str(down), "last", "last") for up, down in sorted(pairs))
        drawing = lay_out(Picture("t", "d", boxes, arrows))
        assert sorted(placed.box.key for placed in drawing.boxes) == sorted(box.key for box in boxes)
        for placed in drawing.boxes:
            assert placed.x >= 0
            assert placed.y >= 0
            assert placed.x + placed.width <= drawing.width
            assert placed.y + placed.height <= drawing.height
            for other in drawing.boxes:
                beside = placed.x + placed.width <= other.x or other.x + other.width <= placed.x
                above = placed.y + placed.height <= other.y or other.y + other.height <= placed.y
                assert placed is other or beside or above
        ElementTree.fromstring(to_svg(drawing))

    def test_forests_of_many_components_are_drawn(self) -> None:
        # In a process of its own: where igraph crashes, it takes the test run along.
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("draw_forests.py"), str(examples(40))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_same_bytes_each_time(self) -> None:
        assert to_svg(lay_out(node_picture(PLAN))) == to_svg(lay_out(node_picture(PLAN)))

    def test_a_chain_of_ten_thousand(self) -> None:
        tasks = (run("m0"), *(run(f"m{i}", f"m{i - 1}") for i in range(1, 10_000)))
        picture = node_picture(Plan("big", "abc", "1", (dag("big", "@daily", "0 0 * * *", *tasks),)))
        assert len(lay_out(picture).boxes) == 10_000
