"""What is true of every plan, whatever the project."""

import random

from building import inputs_of, settings_of
from hypothesis import given, settings
from hypothesis import strategies as st
from projects import manifests
from properties import examples

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.codec import from_json, to_json
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.verify import verify

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "tests": st.sampled_from([{"per": "test"}, {"per": "model"}]),
        "waits": st.sampled_from([{"per": "task"}, {"per": "dag"}]),
        "select": st.sampled_from(["domain:sales", "+n5", "n1+ tag:@small"]),
        "exclude": st.sampled_from(["n3", "domain:web"]),
        "dags": st.sampled_from([{"catchup": True}, {"timezone": "Europe/Berlin"}]),
    },
)


@settings(max_examples=examples(150))
@given(manifests(), SETTINGS)
def test_verify_passes_on_every_plan(manifest: Manifest, written: dict) -> None:
    verify(build_plan(inputs_of(manifest, written)), manifest)


@settings(max_examples=examples(60))
@given(manifests(), SETTINGS, st.randoms(use_true_random=False))
def test_the_order_of_the_manifest_changes_nothing(manifest: Manifest, written: dict, randoms: random.Random) -> None:
    keys = list(manifest.nodes)
    randoms.shuffle(keys)
    shuffled = Manifest(
        **{
            name: getattr(manifest, name) if name != "nodes" else {key: manifest.nodes[key] for key in keys}
            for name in Manifest.__dataclass_fields__
        }
    )
    assert to_json(build_plan(inputs_of(shuffled, written))) == to_json(build_plan(inputs_of(manifest, written)))


@settings(max_examples=examples(60))
@given(manifests(), SETTINGS)
def test_the_plan_survives_json(manifest: Manifest, written: dict) -> None:
    plan = build_plan(inputs_of(manifest, written))
    assert from_json(to_json(plan)) == plan


@settings(max_examples=examples(60))
@given(manifests(), SETTINGS)
def test_tests_never_move_a_node(manifest: Manifest, written: dict) -> None:
    """Adding tests changes neither the DAG nor the task id of any node."""
    bare = {key: node for key, node in manifest.nodes.items() if not node.is_test}
    without = Manifest(
        **{name: getattr(manifest, name) if name != "nodes" else bare for name in Manifest.__dataclass_fields__}
    )
    inputs = inputs_of(manifest, written)

    def places(of: Manifest) -> dict[str, tuple[str, str]]:
        plan = build_plan(PlanInputs("shop", of, settings_of(written), inputs.profile))
        return {
            node: (dag.dag_id, task.task_id)
            for dag in plan.dags
            for task in dag.tasks
            for node in task.nodes
            if node in bare
        }

    assert places(manifest) == places(without)
