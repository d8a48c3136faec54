"""What a plan needs of the systems around it."""

from pathlib import Path

from shop_on_disk import PROFILES, Shop

from dbt_af_k8s.plan.needs import NeededConnection, Needs, needs_of
from dbt_af_k8s.plan.project import build_project
from dbt_af_k8s.plan.request import PlanRequest

TARGETS = """\
    here: {type: kubernetes, image_name: "shop:1", namespace: dbt, service_account: pods}
    own: {type: kubernetes, image_name: "shop:2", service_account: pods}
    there: {type: kubernetes, image_name: "shop:1", namespace: far, kubernetes_conn_id: far}
"""


def needs(shop: Shop) -> Needs:
    return needs_of(build_project(PlanRequest(project_dir=shop.root), {}))


def test_an_ordinary_project_needs_nothing(tmp_path: Path) -> None:
    assert needs(Shop(tmp_path).model("orders").write()) == Needs()


def test_pools_targets_and_connections(tmp_path: Path) -> None:
    shop = Shop(tmp_path).model("orders").write()
    shop.settings("dags: {kinds: []}\npools: {one: {slots: 1}}\n")
    (shop.root / "profiles.yml").write_text(PROFILES + TARGETS)
    assert needs(shop) == Needs(
        pools=("one",),
        connections=(NeededConnection("far", "kubernetes"),),
        namespaces=("dbt",),
        service_accounts=(("", "pods"), ("dbt", "pods")),
        images=("shop:1", "shop:2"),
        has_kubernetes=True,
    )


def test_what_targets_have_in_common_stands_in_the_settings(tmp_path: Path) -> None:
    shop = Shop(tmp_path).model("orders").write()
    (shop.root / "profiles.yml").write_text(PROFILES + TARGETS)
    shop.settings("dags: {kinds: []}\nkubernetes: {namespace: common}\n")
    assert needs(shop).namespaces == ("common", "dbt")
    assert needs(shop).service_accounts == (("common", "pods"), ("dbt", "pods"))
    shop.settings("dags: {kinds: []}\nkubernetes: {kubernetes_conn_id: all}\n")
    assert [each.conn_id for each in needs(shop).connections] == ["all", "far"]
    shop.settings("dags: {kinds: []}\nkubernetes: {local: true}\n")
    assert needs(shop) == Needs()


def test_a_dbt_server_is_behind_a_connection(tmp_path: Path) -> None:
    shop = Shop(tmp_path).model("orders").model("events", "orders", dbt_target="other").write()
    big = "{type: dbt_api, conn_id: big}"
    shop.settings(f"dags: {{kinds: []}}\nrunners: {{other: {big}, '*': {{type: dbt_api, conn_id: dbt_prod}}}}\n")
    (shop.root / "profiles.yml").write_text(f"{PROFILES}    other: {{type: duckdb, path: other.duckdb}}\n")
    assert needs(shop) == Needs(connections=(NeededConnection("big", "http"), NeededConnection("dbt_prod", "http")))


def test_pods_of_dbt_are_counted_with_those_of_scripts(tmp_path: Path) -> None:
    shop = Shop(tmp_path).model("orders").write()
    pod = "pod: {image_name: 'shop/dbt:7', namespace: dbt, service_account: runs}"
    profile = "conn_id: warehouse, output: {schema: s}"
    shop.settings(f"dags: {{kinds: []}}\nrunners: {{'*': {{type: kubernetes_pod, {profile}, {pod}}}}}\n")
    assert needs(shop) == Needs(
        connections=(NeededConnection("warehouse"),),
        namespaces=("dbt",),
        service_accounts=(("dbt", "runs"),),
        images=("shop/dbt:7",),
        has_kubernetes=True,
    )


def test_a_cluster_of_a_cloud_is_behind_its_connection_and_elsewhere(tmp_path: Path) -> None:
    shop = Shop(tmp_path).model("orders").write()
    pod = "pod: {image_name: 'shop/dbt:7', namespace: dbt, service_account: runs}"
    gke = "type: gke_pod, project_id: p, location: l, cluster_name: c, gcp_conn_id: google"
    shop.settings(f"dags: {{kinds: []}}\nrunners: {{'*': {{{gke}, {pod}}}}}\n")
    google = NeededConnection("google", "google_cloud_platform")
    assert needs(shop) == Needs(connections=(google,), images=("shop/dbt:7",), has_kubernetes=True)
    eks = "type: eks_pod, cluster_name: c"
    shop.settings(f"dags: {{kinds: []}}\nrunners: {{'*': {{{eks}, {pod}}}}}\n")
    assert needs(shop).connections == (), "AWS's own configuration will do"
    shop.settings(f"dags: {{kinds: []}}\nrunners: {{'*': {{{eks}, aws_conn_id: mine, {pod}}}}}\n")
    assert needs(shop).connections == (NeededConnection("mine", "aws"),)
