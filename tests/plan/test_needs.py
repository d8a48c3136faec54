"""What a plan needs of the systems around it."""

from pathlib import Path

from shop_on_disk import PROFILES, Shop

from dbt_af_k8s.plan.needs import Needs, needs_of
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
        connections=("far",),
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
    assert needs(shop).connections == ("all", "far")
    shop.settings("dags: {kinds: []}\nkubernetes: {local: true}\n")
    assert needs(shop) == Needs()
