"""A dbt project of any size, and its manifest: what the benchmarks run on.

Domains of 50 models stand in a row; a model reads three earlier ones of its domain, and every tenth one reads a model
of the domain before, too. Each model has five columns with descriptions and two tests. Names are of one length, so that
a manifest which dbt has parsed from two domains can be stretched to any number of them: the entries of the second
domain are written again under other names. (`dbt parse` of 10,000 models takes minutes; the entries are the same.)
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

#: Models of one domain, and tests of one model.
DOMAIN = 50
TESTS = 2
_FIRST, _SECOND = "d000", "d001"
_COLUMNS = ("id", "amount", "happened_at", "status", "country")
_FILLER = "\n".join(f"    , coalesce(amount, 0) * {n} / 100.0 as share_{n}" for n in range(1, 25))


def domain_name(number: int) -> str:
    """The folder of a domain; `number` from 0."""
    return f"d{number:03}"


def write_project(folder: Path, models: int) -> None:
    """Write a real project with that many models (a multiple of 50) for DuckDB."""
    if models % DOMAIN:
        raise ValueError(f"{models} is no multiple of {DOMAIN}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(
        "name: shop\nprofile: shop\nmodels:\n  shop:\n    +materialized: table\n"
        "flags:\n  send_anonymous_usage_stats: false\n"
    )
    (folder / "profiles.yml").write_text(
        "shop:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n"
        "      path: \"{{ env_var('SHOP_DUCKDB', 'shop.duckdb') }}\"\n      threads: 1\n"
    )
    # Maintenance and backfill would repeat nodes; the peers have no such DAGs by default.
    (folder / "dbt_af_k8s.yml").write_text("dags:\n  kinds: []\n")
    for number in range(models // DOMAIN):
        _write_domain(folder / "models" / domain_name(number), number)


def _write_domain(folder: Path, number: int) -> None:
    folder.mkdir(parents=True)
    name = domain_name(number)
    for at in range(DOMAIN):
        (folder / f"{name}_m{at:02}.sql").write_text(_sql(number, at))
    columns = "".join(f"      - name: {column}\n        description: {_about(column)}\n" for column in _COLUMNS)
    (folder / "models.yml").write_text(
        "models:\n"
        + "".join(
            f"  - name: {name}_m{at:02}\n    description: {_about('row')}\n    columns:\n"
            + columns.replace("  - name: id\n", "  - name: id\n        data_tests: [not_null, unique]\n")
            for at in range(DOMAIN)
        )
    )


def _about(what: str) -> str:
    return f"The {what} as the shop's system of record writes it, in the time zone and currency of the shop."


def _sql(number: int, at: int) -> str:
    name = domain_name(number)
    parents = [f"{name}_m{earlier:02}" for earlier in range(max(0, at - 3), at)]
    if number and at % 10 == 0:
        parents.append(f"{domain_name(number - 1)}_m{DOMAIN - 1 - at:02}")
    if not parents:
        parts = ["select 1 as id, 1.0 as amount, now() as happened_at, 'new' as status, 'NL' as country"]
    else:
        parts = [
            f"select id, amount, happened_at, status, country from {{{{ ref('{parent}') }}}}" for parent in parents
        ]
    union = "\n    union all\n    ".join(parts)
    return (
        f"with parents as (\n    {union}\n)\n\nselect\n    min(id) as id\n    , sum(amount) as amount\n"
        f"    , max(happened_at) as happened_at\n    , max(status) as status\n    , max(country) as country\n"
        f"{_FILLER.replace('coalesce(amount, 0)', 'sum(coalesce(amount, 0))')}\nfrom parents\n"
    )


def parse(folder: Path, dbt: str) -> None:
    """Have dbt write the project's manifest.json."""
    subprocess.run([dbt, "parse", "--quiet", "--profiles-dir", "."], cwd=folder, check=True)


def stretched(manifest: dict[str, object], models: int) -> dict[str, object]:
    """The manifest of a project of that many models, from one of two domains that dbt has parsed."""
    if models % DOMAIN:
        raise ValueError(f"{models} is no multiple of {DOMAIN}")
    made = dict(manifest)
    for group in ("nodes", "parent_map", "child_map"):
        entries = manifest[group]
        assert isinstance(entries, dict)
        first = {key: entry for key, entry in entries.items() if _SECOND not in key}
        second = json.dumps({key: entry for key, entry in entries.items() if _SECOND in key})
        found = json.loads(json.dumps(first))
        for number in range(1, models // DOMAIN):
            # The upstream domain first, by a name that stands nowhere else.
            text = second.replace(_FIRST, "d???").replace(_SECOND, domain_name(number))
            found |= json.loads(text.replace("d???", domain_name(number - 1)))
        made[group] = found
    return made


def write_stretched(base: Path, folder: Path, models: int) -> None:
    """Write a project with the manifest that dbt would make of it, stretched from that of the parsed project `base`."""
    write_project(folder, models)
    (folder / "target").mkdir()
    manifest = stretched(json.loads((base / "target" / "manifest.json").read_text()), models)
    nodes = manifest["nodes"]
    assert isinstance(nodes, dict)
    for node in nodes.values():
        if node["resource_type"] == "model":
            # As dbt does it: of the file's text without the white space around it.
            text = (folder / node["original_file_path"]).read_text().strip()
            node["checksum"]["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    # A process that has held a large manifest stays large, and so, by the system's reckoning, do those that it starts.
    write_stretched(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
