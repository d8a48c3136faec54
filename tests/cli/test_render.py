"""`dbt-af-k8s render`."""

import json

import pytest
import yaml
from kubernetes_schemas import VERSIONS, schema_errors
from shop_on_disk import Shop

PROFILES = """
shop:
  target: dev
  outputs:
    dev: {type: duckdb}
    pods: {type: kubernetes, image_name: "shop/etl:1", namespace: etl, script_from: config_map, service_account: etl}
    more: {type: kubernetes, image_name: "shop/etl:1", namespace: etl, pod_memory_guarantee: 1Gi,
           memory_ladder: [2Gi, 4Gi]}
    env: {type: venv}
"""


@pytest.fixture
def scripts(empty_shop: Shop) -> Shop:
    """A model, and a script on each kind of target."""
    shop = empty_shop.model("orders").model("export", "orders", dbt_target="pods").model("local", dbt_target="env")
    shop.model("large", "orders", dbt_target="more")
    for name in ("export", "large", "local"):
        shop.nodes[f"model.shop.{name}"] |= {"language": "python", "raw_code": "print('{{ hello }}')\n"}
    shop.write()
    (shop.root / "profiles.yml").write_text(PROFILES)
    return shop


INTERVAL = ("--start", "2026-03-01", "--end", "2026-03-02")


def test_yaml_ready_for_kubectl(scripts: Shop) -> None:
    result = scripts.run("render", "export", *INTERVAL, "--conf", '{"full": true}')
    assert result.exit_code == 0, result.output
    config_map, pod = yaml.safe_load_all(result.stdout)
    assert [config_map["kind"], pod["kind"]] == ["ConfigMap", "Pod"]
    assert [schema_errors(each, version) for each in (config_map, pod) for version in VERSIONS] == [[]] * 4
    (base,) = pod["spec"]["containers"]
    env = {each["name"]: each.get("value") for each in base["env"]}
    assert (env["START_DTTM"], env["END_DTTM"]) == ("2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00")
    assert json.loads(env["DAG_RUN_CONF"]) == {"full": True}
    volume, for_the_result = pod["spec"]["volumes"]
    assert for_the_result == {"name": "dbt-af-result", "emptyDir": {}}
    assert volume["configMap"]["name"] == config_map["metadata"]["name"]
    assert "    - |\n" in result.stdout or "- |\n" in result.stdout, "the script's start is no block to read"


def test_json_is_the_same_as_a_list(scripts: Shop) -> None:
    found = scripts.json("render", "model.shop.export", *INTERVAL)
    assert found["kind"] == "List"
    assert found["items"] == list(yaml.safe_load_all(scripts.run("render", "export", *INTERVAL).stdout))


def test_without_times_it_is_the_last_interval(scripts: Shop) -> None:
    assert scripts.run("render", "export").exit_code == 0


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("orders",), "runs on target `dev` by `local`, and sends nothing to Kubernetes"),
        (("local",), "runs on target `env` by `venv`, and sends nothing to Kubernetes"),
        (("exprt",), "No node and no task is called `exprt`. Close: `export`."),
        (("export", "--conf", "{"), "--conf is no JSON"),
        (("export", "--conf", "[1]"), "--conf must be a JSON object"),
        (("export", "--conf", json.dumps({"a": "x" * 140_000})), "a variable of a pod holds at most"),
        (("export", "--start", "2026-03-01"), "end_dttm"),
    ],
)
def test_what_cannot_be_rendered_is_told(scripts: Shop, argv: tuple[str, ...], told: str) -> None:
    result = scripts.run("render", *argv)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in " ".join(result.stderr.split())


def test_a_rung_of_the_memory_ladder(scripts: Shop) -> None:
    for rung, memory in (("0", "1Gi"), ("2", "4Gi")):
        (pod,) = scripts.json("render", "large", *INTERVAL, "--memory-rung", rung)["items"]
        assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == memory
    result = scripts.run("render", "large", "--memory-rung", "3")
    assert (result.exit_code, result.stdout) == (2, "")
    told = "There is no memory rung 3. `large` has: 0 (the memory that its target asks for), 1 (2Gi), 2 (4Gi)."
    assert told in " ".join(result.stderr.split())
    result = scripts.run("render", "export", "--memory-rung", "1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "`export` has no `memory_ladder`, so its only rung is 0" in " ".join(result.stderr.split())


def test_explain_tells_what_a_script_runs_in(scripts: Shop) -> None:
    (pod,) = scripts.json("explain", "export")["nodes"]
    told = {reason["what"]: reason["value"] for reason in pod["reasons"]}
    assert (told["runner"], told["image"], told["namespace"]) == ("kubernetes", "shop/etl:1", "etl")
    assert told["script from"] == "config_map"
    (venv,) = scripts.json("explain", "local")["nodes"]
    assert {"what": "requirements", "value": "none", "rule": "target `env`"} in venv["reasons"]
