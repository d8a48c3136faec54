"""Every node of a project full of look-alikes is found by its own argument, alone, by dbt itself."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dbt_af_k8s.dbt.selection import select_argument
from dbt_af_k8s.dbt.values import DbtSelection, node_by_id
from dbt_af_k8s.errors import UsageError

ONE = "select 1 as id"

LOOK_ALIKES = {
    "packages.yml": "packages:\n  - local: vendor\n",
    "vendor/dbt_project.yml": "name: vendor\nversion: '1.0'\nprofile: shop\n"
    "models: &own {+schema: vendor}\nseeds: *own\n",
    # The same folder and name in a package, and the root project's whole name inside the package.
    "vendor/models/staging/orders.sql": "select 1 as id",
    "vendor/models/shop/staging/deep.sql": "select 1 as id",
    "vendor/seeds/raw.csv": "id\n1\n",
    "models/staging/orders.sql": "select 1 as id, 2 as x",
    # A folder named like a model, a model named like the package, names with dots, names that look like versions.
    "models/staging/orders/deep.sql": ONE,
    "models/shop/shop.sql": ONE,
    "models/orders/v2.sql": ONE,
    "models/orders/orders_v2.sql": ONE,
    "models/orders/a.b.sql": ONE,
    "models/orders/a/b.sql": ONE,
    "models/staging/items_v1.sql": ONE,
    "models/staging/items_v2.sql": ONE,
    "models/staging/item.sql": ONE,
    # Letters that mean something in a selector.
    "models/odd/plus+1.sql": ONE,
    "models/odd/list-a,[x].sql": ONE,
    "models/odd/why?.sql": ONE,
    "models/odd/bang!.sql": ONE,
    "models/odd/grün.sql": ONE,
    "models/root_level.sql": ONE,
    "models/schema.yml": """
models:
  - name: orders
    columns:
      - name: id
        data_tests:
          - not_null: {name: id_is_there}
          - unique
  - name: deep
    columns:
      - name: id
        data_tests:
          - not_null: {name: id_is_there}
          - relationships: {arguments: {to: "ref('shop', 'orders')", field: id}}
  - name: items
    latest_version: 1
    columns: [{name: id, data_tests: [unique]}]
    versions: [{v: 1}, {v: 2}]
sources:
  - name: landing
    schema: main
    tables:
      - name: raw
        columns: [{name: id, data_tests: [{not_null: {name: id_is_there}}]}]
unit_tests:
  - name: root_level
    model: root_level
    given: []
    expect: {rows: [{id: 1}]}
""",
    # A test whose whole name is a model's.
    "tests/staging/orders.sql": "select * from {{ ref('orders') }} where id > 10",
    "seeds/orders/raw.csv": "id\n1\n",
    "snapshots/snap.yml": """
snapshots:
  - name: snap
    relation: ref('shop', 'orders')
    config: {strategy: check, check_cols: all, unique_key: id}
""",
    "snapshots/old.sql": """
{% snapshot old_snap %}{{ config(strategy='check', check_cols='all', unique_key='id', target_schema='s') }}
select 1 as id{% endsnapshot %}
""",
}

#: Asks dbt for each selection in one process: reads {label: [select arguments]}, writes {label: [unique_ids]}.
ASK_DBT = """
import json, sys
from dbt.cli.main import dbtRunner
manifest = dbtRunner().invoke(["--quiet", "parse"]).result
answers = {}
for label, arguments in json.load(sys.stdin).items():
    command = ["--quiet", "ls", "--select", *arguments, "--indirect-selection", "empty", "--output", "json",
        "--output-keys", "unique_id"]
    found = dbtRunner(manifest=manifest).invoke(command).result or []
    answers[label] = sorted(json.loads(line)["unique_id"] for line in found)
print("ANSWER" + json.dumps(answers))
"""


@pytest.mark.dbt
@pytest.mark.slow
def test_dbt_finds_each_node_alone(make_project, selections_of):
    project = make_project(LOOK_ALIKES)
    dbt = str(Path(sys.executable).with_name("dbt"))
    subprocess.run([dbt, "--quiet", "deps"], cwd=project.folder, env=project.environment, check=True, timeout=300)
    manifest = project.parse()
    nodes = {node.unique_id: node for node in selections_of(manifest).values() if node.resource_type != "operation"}
    same_name = [unique_id for unique_id in nodes if ".id_is_there." in unique_id]
    assert len(same_name) == 3, "three tests with one name"
    for unique_id in same_name:
        parents = tuple(manifest["nodes"][unique_id]["depends_on"]["nodes"])
        nodes[unique_id] = replace(nodes[unique_id], parents=parents)

    questions = {unique_id: [select_argument(node)] for unique_id, node in nodes.items()}
    tests = sorted(unique_id for unique_id in nodes if unique_id.startswith("test."))
    # By the unique_id alone only tests of one name, and a name with dots, cannot be told from their doubles.
    by_id = {unique_id for unique_id in nodes if unique_id not in same_name}
    questions |= {f"by id {unique_id}": [select_argument(node_by_id(unique_id))] for unique_id in by_id}
    questions["all tests"] = [select_argument(nodes[unique_id]) for unique_id in tests]
    answer = subprocess.run(
        [sys.executable, "-c", ASK_DBT],
        cwd=project.folder,
        env=project.environment,
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(answer.stdout.partition("ANSWER")[2])

    assert len(nodes) > 25
    assert found.pop("all tests") == tests
    assert {unique_id: found[unique_id] for unique_id in nodes} == {unique_id: [unique_id] for unique_id in nodes}
    assert {unique_id: found[f"by id {unique_id}"] for unique_id in by_id} == {
        unique_id: [unique_id] for unique_id in by_id
    }


def test_the_argument_reads_as_what_it_selects():
    node = DbtSelection("model.shop.orders", "model", "shop", ("shop", "staging", "orders"))
    assert select_argument(node) == "fqn:shop.staging.order[s],fqn:order[s],package:sho[p],resource_type:model"


def test_a_version_is_named_by_its_whole_name():
    node = DbtSelection("model.shop.orders.v2", "model", "shop", ("shop", "orders", "v2"))
    assert select_argument(node) == "fqn:shop.orders.v[2],package:sho[p],resource_type:model"


def test_parents_tell_tests_of_one_name_apart():
    node = DbtSelection(
        "test.shop.id_is_there.abc", "test", "shop", ("shop", "id_is_there"), ("model.shop.orders", "source.shop.raw.x")
    )
    assert select_argument(node).endswith("resource_type:test,fqn:order[s]+1,source:shop.raw.x+1")


def test_no_argument_holds_a_space_since_dbt_splits_there():
    node = DbtSelection("test.shop.a b", "test", "shop", ("shop", "my folder", "a b, c"))
    assert " " not in select_argument(node)
    assert select_argument(node).count(",") == 3


@pytest.mark.parametrize("text", ["orders", "model.orders", "model..orders", "model.shop.", ""])
def test_what_is_no_unique_id_is_refused(text):
    with pytest.raises(UsageError, match=r"no unique_id of dbt"):
        node_by_id(text)
