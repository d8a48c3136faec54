"""`dbt-af-k8s graph`."""

import os
import signal
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from shop_on_disk import Shop

from dbt_af_k8s.cli.graph import LayoutError, lay_out_apart
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.render.layout import Drawing
from dbt_af_k8s.plan.render.picture import Box, Picture


def test_mermaid_of_domains_is_the_default(shop: Shop) -> None:
    result = shop.run("graph")
    assert result.exit_code == 0
    assert result.stdout == (
        "%% Domains of shop: 3 domains, 4 DAGs, 1 wait between domains. An arrow goes from what runs first.\n"
        "flowchart LR\n"
        '  n0["finance<br/>@weekly 1 model"]\n'
        '  n1["sales<br/>@daily 1 model<br/>@hourly 1 model · 1 test<br/>↻ @daily waits for @hourly (all)"]\n'
        '  n2[/"science<br/>by hand 1 model"/]:::manual\n'
        '  n1 ==>|"last, all"| n0\n'
        '  n1 -.->|"no wait"| n2\n'
        "  classDef manual stroke-dasharray:4 3\n"
    )


def test_tasks_of_one_dag(shop: Shop) -> None:
    text = shop.run("graph", "--dag", "sales__hourly").stdout
    assert 'subgraph c0["sales__hourly"]' in text
    assert 'n1{{"orders__tests"}}' in text
    assert "n0 --> n1" in text


def test_json(shop: Shop) -> None:
    data = shop.json("graph", "--of", "nodes")
    assert {box["cluster"] for box in data["boxes"]} == {
        "finance__weekly",
        "sales__daily",
        "sales__hourly",
        "science__manual",
    }


def test_ending_of_the_file_gives_the_format(shop: Shop, tmp_path: Path) -> None:
    pytest.importorskip("igraph")
    svg, html = tmp_path / "new" / "map.svg", tmp_path / "map.html"
    result = shop.run("graph", "--output", str(svg))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "Wrote" in result.stderr
    assert ElementTree.fromstring(svg.read_text()).tag.endswith("svg")
    assert shop.run("graph", "--output", str(html), "--of", "nodes").exit_code == 0
    assert html.read_text().startswith("<!DOCTYPE html>")


def test_usage(shop: Shop, tmp_path: Path) -> None:
    unknown = shop.run("graph", "--dag", "sales__hurly")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "Did you mean `sales__hourly`" in unknown.stderr
    folder = shop.run("graph", "--output", str(tmp_path))
    assert folder.exit_code == 2
    assert "is a folder" in " ".join(folder.stderr.split())
    assert shop.run("graph", "--format", "png").exit_code == 2


EMPTY = Picture("t", "d", (Box("a", "a"),), ())


def crash(picture: Picture) -> Drawing:
    """What igraph does on some graphs."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError("not reached")


def hang(picture: Picture) -> Drawing:
    time.sleep(60)
    raise AssertionError("not reached")


def not_installed(picture: Picture) -> Drawing:
    raise UsageError("install igraph")


def test_a_layout_that_crashes_hangs_or_is_not_installed_is_told() -> None:
    with pytest.raises(LayoutError, match="igraph crashed"):
        lay_out_apart(EMPTY, crash)
    with pytest.raises(LayoutError, match="within 1 seconds"):
        lay_out_apart(EMPTY, hang, seconds=1)
    with pytest.raises(UsageError, match="install igraph"):
        lay_out_apart(EMPTY, not_installed)


def test_after_a_crash_the_picture_is_there_as_mermaid(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbt_af_k8s.cli.graph.lay_out_apart", lambda picture: lay_out_apart(picture, crash))
    result = shop.run("graph", "--output", str(tmp_path / "map.svg"))
    assert result.exit_code == 1
    assert "igraph crashed while it laid out this picture. What follows is Mermaid" in " ".join(result.stderr.split())
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("map")] == ["map.mmd"]
    assert "flowchart LR" in (tmp_path / "map.mmd").read_text()
    assert "flowchart LR" in shop.run("graph", "--format", "html").stdout
