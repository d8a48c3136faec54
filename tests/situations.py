"""The situations of dbt-af's tutorial as small projects of our own, in dbt-af's vocabulary."""

from dataclasses import replace

from building import model, seed, snapshot, source, test

from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.manifest.values import Node, Source

CLUSTERS = {"py_cluster": "py", "sql_cluster": "sql", "daily_sql_cluster": "daily", "bf_cluster": "bf"}
TARGETS = Profile("shop", "daily", dict.fromkeys(("py", "sql", "daily", "bf"), "duckdb"))
DBT_AF = {"tests": {"per": "test"}, "dags": {"task_ids": "dbt_af"}}


def bare(name: str, *refs: str, folder: str, **config: object) -> Node:
    """A model whose settings stand in bare config keys, as dbt-af projects have them."""
    return model(name, *refs, folder=folder, config={**CLUSTERS, **config})


SITUATIONS: dict[str, tuple[Node | Source, ...]] = {
    "several_domains": (
        bare("a_ods", folder="a/ods"),
        bare("a_bds", "a_ods", folder="a/bds"),
        bare("b_bds", "a_bds", folder="b/bds"),
        bare("c_dds", "b_bds", folder="c/dds"),
    ),
    "partial_dependency": (
        bare("a_one", folder="a"),
        bare("a_two", folder="a"),
        bare("b_reads_one", "a_one", folder="b"),
        bare("b_alone", folder="b"),
    ),
    "several_schedules": (
        bare("a_quarter", folder="a", schedule="@every15minutes"),
        bare("a_hour", "a_quarter", folder="a", schedule="@hourly"),
        bare("a_day", "a_hour", folder="a", schedule="@daily"),
        bare("a_week", "a_day", folder="a", schedule="@weekly"),
        bare("a_month", "a_week", folder="a", schedule="@monthly"),
        bare("a_hand", "a_month", folder="a", schedule="@manual"),
    ),
    "two_upstream_domains": (
        bare("a_hour", folder="a", schedule="@hourly"),
        bare("b_week", folder="b", schedule="@weekly"),
        bare("c_day", "a_hour", "b_week", folder="c"),
    ),
    "tests_by_size": (
        bare("a_one", folder="a"),
        bare("a_two", "a_one", folder="a"),
        test("untagged", "a_one", folder="a"),
        test("small", "a_one", folder="a", tags=("@small",)),
        test("medium", "a_two", folder="a", tags=("@medium",)),
        test("large", "a_one", "a_two", folder="a", tags=("@large",)),
    ),
    "one_test": (
        seed("a_seed", folder="a", config=CLUSTERS),
        test("seed_is_whole", "seed.shop.a_seed", folder="a"),
        bare("a_one", "seed.shop.a_seed", folder="a"),
        test("one_is_whole", "a_one", folder="a"),
        bare("b_one", "a_one", folder="b"),
    ),
    "maintenance_in_two_domains": (
        bare(
            "a_one", folder="a", maintenance={"ttl": {"key": "at", "expiration_timeout": 10}, "optimize_table": False}
        ),
        bare("b_one", "a_one", folder="b", maintenance={"vacuum_table": True, "persist_docs": True}),
    ),
    "enable_and_disable": (
        bare("a_new", folder="a", enable_from_dttm="2026-03-01T00:00:00"),
        bare("a_old", folder="a", disable_from_dttm="2026-02-01T00:00:00"),
        bare("a_end", "a_new", "a_old", folder="a"),
    ),
    "shift": (
        bare("a_hour", folder="a", schedule="@hourly", schedule_shift=10, schedule_shift_unit="minute"),
        bare("a_day", "a_hour", folder="a", schedule="@daily", schedule_shift=5, schedule_shift_unit="hour"),
        bare("a_week", "a_day", folder="a", schedule="@weekly", schedule_shift=2, schedule_shift_unit="day"),
    ),
    "source_freshness": (
        replace(
            source("raw", "events"),
            freshness={"error_after": {"count": 1, "period": "hour"}},
            loaded_at_field="at",
            file="models/a/sources.yml",
        ),
        test("events_unique", "source:raw.events", folder="a"),
        bare("a_one", "source:raw.events", folder="a", schedule="@hourly"),
        bare("b_one", "source:raw.events", folder="b"),
    ),
    "snapshots_and_seeds": (
        seed("a_seed", folder="a", config=CLUSTERS),
        bare("a_one", "seed.shop.a_seed", folder="a"),
        snapshot("a_history", "a_one", folder="a", config=CLUSTERS),
        bare("b_one", "snapshot.shop.a_history", folder="b"),
    ),
    "skip": (
        bare("a_one", folder="a"),
        bare("b_one", "a_one", folder="b", dependencies={"a_one": {"skip": True}}),
        bare("a_two", "a_one", folder="a", dependencies={"a_one": {"skip": True}}),
    ),
    "wait_policies": (
        bare("a_hour", folder="a", schedule="@hourly"),
        bare("b_last", "a_hour", folder="b", dependencies={"a_hour": {"wait_policy": "last"}}),
        bare("b_all", "a_hour", folder="b", dependencies={"a_hour": {"wait_policy": "all"}}),
    ),
    "kubernetes": (
        bare("a_one", folder="a"),
        model("a_script", "a_one", folder="a", language="python", config={**CLUSTERS, "dbt_target": "k8s"}),
        bare("a_end", "a_script", folder="a"),
    ),
}
