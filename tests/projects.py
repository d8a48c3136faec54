"""Random dbt projects for property tests: domains, schedules, versions, ephemeral models, tests, dependencies."""

from dataclasses import replace

from building import model, project, seed, snapshot, source, test
from hypothesis import strategies as st

from dbt_af_k8s.manifest.values import Manifest

SCHEDULES = (None, "@hourly", "@daily", "@weekly", "@every15minutes", "@monthly", "@manual", "30 2 * * *")
FOLDERS = ("sales", "web", "web/staging", "")
SIZES = ((), ("@small",), ("@medium",), ("@large",))


@st.composite
def manifests(draw: st.DrawFn, most: int = 14) -> Manifest:
    """A manifest as dbt could write it, with everything that changes how nodes are laid out."""
    limits = draw(st.sampled_from([None, {"error_after": {"count": 1, "period": "day"}}]))
    entries = [replace(source("src", "events"), freshness=limits, loaded_at_field="at"), source("src", "people")]
    built: list[str] = ["source:src.events", "source:src.people"]
    for index in range(draw(st.integers(0, most))):
        refs = draw(st.lists(st.sampled_from(built), max_size=3, unique=True))
        folder = draw(st.sampled_from(FOLDERS))
        meta = _meta(draw, [ref for ref in refs if not ref.startswith("source:")])
        name = f"n{index}"
        kind = draw(
            st.sampled_from(["model", "model", "model", "ephemeral", "seed", "snapshot", "versioned", "package"])
        )
        if kind == "seed":
            entry = seed(name, folder=folder, meta=meta)
        elif kind == "snapshot":
            entry = snapshot(name, *refs, folder=folder, meta=meta)
        elif kind == "ephemeral":
            entry = model(name, *refs, folder=folder, materialized="ephemeral")
        elif kind == "versioned":
            entry = model("versioned", *refs, folder=folder, version=str(index), meta=meta)
        elif kind == "package":
            entry = model("n0", *refs, folder=folder, package=f"lib{index}", meta=meta)
        else:
            entry = model(name, *refs, folder=folder, meta=meta)
        entries.append(entry)
        built.append(entry.unique_id)
    for index in range(draw(st.integers(0, most))):
        on = draw(st.lists(st.sampled_from(built), max_size=3, unique=True))
        size, folder = draw(st.sampled_from(SIZES)), draw(st.sampled_from(FOLDERS))
        entry = test(f"t{index}", *on, tags=size, folder=folder)
        entries.append(replace(entry, attached_node=draw(st.sampled_from([None, *entry.parents]))))
    return project(*entries)


def _meta(draw: st.DrawFn, refs: list[str]) -> dict[str, object]:
    meta: dict[str, object] = {}
    schedule = draw(st.sampled_from(SCHEDULES))
    if schedule:
        meta["schedule"] = schedule
    if schedule == "@hourly":
        meta["schedule_shift"] = draw(st.sampled_from([0, 20]))
    if draw(st.integers(0, 4)) == 0:
        meta["maintenance"] = {"vacuum_table": True, "persist_docs": True}
    if refs and draw(st.booleans()):
        meta["dependencies"] = {
            ref: draw(st.sampled_from([{"skip": True}, {"wait_policy": "all"}, {"wait_policy": "last"}]))
            for ref in refs[:1]
        }
    return meta
