"""A dbt project with everything that selection looks at, another for each seed, and selections in dbt's grammar.

Whatever is drawn is drawn from a `random.Random`, so that a seed names a project and its selections.
"""

import json
from random import Random
from typing import Any

FOLDERS = ("", "staging", "staging/raw", "marts", "marts/finance", "odd.folder", "orders")
NAMES = ("orders", "items", "customers", "stg_orders", "stg_items", "a.b", "orders_v3", "v2", "kpi", "raw", "shop")
TAGS = ("nightly", "weekly", "pii", "a.b")
GROUPS = ("finance", "core")
GENERIC = ("not_null", "unique")
MATERIALIZED = ("view", "table", "ephemeral", "incremental")
METAS: tuple[dict[str, Any], ...] = (
    {},
    {"tier": "gold", "nested": {"level": {"deep": "x"}, "items": "hidden"}},
    {"tier": "Gold", "on": True, "off": False, "count": 3},
    {"tier": ["gold", "silver"], "flags": [True, 1], "empty": None},
)
#: What dbt refuses.
REFUSED = (
    "state:modified",
    "result:error+",
    "1+source_status:fresher",
    "tags:nightly",
    "version:v1",
    "source:shop.raw.orders.id",
    "exposure:shop.board.more",
    "resource_type:table",
    "test_type:other",
    "path:/models",
    "path:models/sta**",
    "@orders+",
)


class SelectionProject:
    """The files of a project, and the names that occur in it."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.files: dict[str, str] = {}
        self._refs: list[str] = []
        self._models()
        self._sources_and_seeds()
        self._extras()
        self._package()
        self.selectors = self._selectors()

    def _pick(self, options: Any, most: int = 2) -> list[Any]:
        return self.rng.sample(list(options), self.rng.randint(0, min(most, len(options))))

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"tags": self._pick(TAGS), "meta": self.rng.choice(METAS)}
        if self.rng.random() < 0.5:
            config["materialized"] = self.rng.choice(MATERIALIZED)
        if self.rng.random() < 0.4:
            config["group"] = self.rng.choice(GROUPS)
            config["access"] = "protected" if config.get("materialized") == "ephemeral" else "public"
        return config

    def _sql(self, text: str = "") -> str:
        refs = "".join(f"-- {{{{ {ref} }}}}\n" for ref in self._pick(self._refs, 3))
        return f"{refs}select 1 as id, current_date as at {text}\n"

    def _models(self) -> None:
        models: list[dict[str, Any]] = []
        for number, name in enumerate(NAMES):
            folder = self.rng.choice(FOLDERS)
            stem = f"models/{folder}/{name}".replace("//", "/")
            entry: dict[str, Any] = {"name": name, "config": self._config(), "columns": [self._column()]}
            if name == "kpi":
                refs = "".join(f"    dbt.{ref}\n" for ref in self._pick(self._refs))
                self.files[f"{stem}.py"] = f"def model(dbt, session):\n{refs}    return None\n"
                entry["config"]["materialized"] = "table"
            elif number % 4 == 0:
                entry["versions"] = [{"v": 1}, {"v": 2, "config": {"tags": ["second"]}}, {"v": 10}]
                entry["latest_version"] = self.rng.choice([1, 2, 10])
                for version in (1, 2, 10):
                    self.files[f"{stem}_v{version}.sql"] = self._sql()
            else:
                self.files[f"{stem}.sql"] = self._sql()
            models.append(entry)
            self._refs.append(f"ref({name!r})")
        models.append({"name": "switched_off", "config": {"enabled": False}, "columns": [self._column()]})
        self.files["models/staging/switched_off.sql"] = self._sql()
        cut = self.rng.randint(1, len(models) - 1)
        self._yaml("models/staging/first.yml", {"models": models[:cut]})
        self._yaml("models/second.yml", {"models": models[cut:], "groups": [_group(name) for name in GROUPS]})

    def _column(self) -> dict[str, Any]:
        tests: list[Any] = list(self._pick(GENERIC))
        if self._refs and self.rng.random() < 0.5:
            to = {"to": self.rng.choice(self._refs), "field": "id"}
            tests.append({"relationships": {"arguments": to, "config": {"severity": "WARN", "tags": ["across"]}}})
        return {"name": "id", "data_tests": tests}

    def _sources_and_seeds(self) -> None:
        tables = [
            {"name": name, "columns": [self._column()], "config": {"tags": self._pick(TAGS)}}
            for name in ("orders", "raw")
        ]
        sources = [{"name": name, "schema": "main", "tables": tables} for name in ("raw", "landing")]
        sources.append({"name": "quiet", "config": {"enabled": False}, "tables": [{"name": "orders"}]})
        self._yaml("models/marts/sources.yml", {"sources": sources})
        self._refs += ["source('raw', 'orders')", "source('landing', 'raw')"]
        for number in range(4):
            self.files[f"models/{self.rng.choice(FOLDERS[1:])}/reader_{number}.sql"] = self._sql()
        self.files["seeds/countries.csv"] = self.files["seeds/orders/codes.csv"] = "id\n1\n"
        self._yaml(
            "models/marts/seeds.yml",
            {"seeds": [{"name": "codes", "columns": [self._column()], "config": {"tags": self._pick(TAGS)}}]},
        )
        snapshot = {
            "name": "snap",
            "relation": "ref('codes')",
            "config": {"strategy": "check", "check_cols": "all", "unique_key": "id"},
        }
        self._yaml("snapshots/orders/snap.yml", {"snapshots": [snapshot]})
        self._refs += ["ref('codes')", "ref('snap')"]
        for number in range(3):
            name = f"tests/{self.rng.choice(FOLDERS[1:])}/alone_{number}.sql"
            self.files[name] = f"{{{{ config(tags={self._pick(TAGS)}) }}}}\n" + self._sql("where false")
        self.files["analyses/orders/look.sql"] = self._sql()

    def _extras(self) -> None:
        self._yaml(
            "models/exposed.yml",
            {
                "exposures": [
                    {
                        "name": "board",
                        "type": "dashboard",
                        "owner": {"name": "x"},
                        "depends_on": self._pick(self._refs, 3),
                        "config": {"tags": self._pick(TAGS)},
                    },
                    {"name": "orders", "type": "ml", "owner": {"name": "x"}, "depends_on": self._pick(self._refs, 3)},
                ],
                "unit_tests": [
                    {
                        "name": "adds_up",
                        "model": "reader_0",
                        "given": [],
                        "expect": {"rows": [{"id": 1}]},
                        "config": {"tags": ["unit"]},
                    },
                ],
            },
        )
        self.files["models/spine.sql"] = "select current_date as day\n"
        self.files["models/marts/facts.sql"] = self._sql()
        spine = {
            "name": "spine",
            "time_spine": {"standard_granularity_column": "day"},
            "columns": [{"name": "day", "granularity": "day"}],
        }
        facts = {
            "name": "facts",
            "model": "ref('facts')",
            "defaults": {"agg_time_dimension": "at"},
            "entities": [{"name": "id", "type": "primary"}],
            "dimensions": [{"name": "at", "type": "time", "type_params": {"time_granularity": "day"}}],
            "measures": [{"name": "facts_count", "agg": "count", "expr": "id"}],
        }
        metric = {
            "name": "how_many",
            "label": "How many",
            "type": "simple",
            "type_params": {"measure": "facts_count"},
            "config": {"group": "core", "tags": ["nightly"]},
        }
        query = {"name": "weekly_numbers", "query_params": {"metrics": ["how_many"]}, "config": {"tags": ["weekly"]}}
        self._yaml(
            "models/marts/semantics.yml",
            {"models": [spine], "semantic_models": [facts], "metrics": [metric], "saved_queries": [query]},
        )

    def _package(self) -> None:
        own = {
            "name": "vendor",
            "version": "1.0",
            "config-version": 2,
            "seeds": {"+schema": "vendor"},
            "models": {"+schema": "vendor"},
        }
        self.files["dbt_packages/vendor/dbt_project.yml"] = json.dumps(own)
        self.files["dbt_packages/vendor/models/staging/lib_orders.sql"] = "select 1 as id\n"
        self.files["dbt_packages/vendor/models/inside/lib_items.sql"] = "select * from {{ ref('lib_orders') }}\n"
        models = [
            {
                "name": "lib_orders",
                "columns": [{"name": "id", "data_tests": ["unique"]}],
                "config": {"tags": ["nightly"]},
            }
        ]
        self._yaml("dbt_packages/vendor/models/second.yml", {"models": models})
        self.files["models/reads_package.sql"] = "select * from {{ ref('lib_items') }}\n"

    def _selectors(self) -> list[dict[str, Any]]:
        """The entries of selectors.yml."""
        selectors: list[dict[str, Any]] = []
        for number in range(14):
            known = [selector["name"] for selector in selectors]
            selectors.append({"name": f"chosen_{number}", "definition": self._definition(known, 2, root=True)})
        self._yaml("selectors.yml", {"selectors": selectors})
        return selectors

    def _definition(self, known: list[str], depth: int, *, root: bool = False) -> Any:
        kind = self.rng.choice(["text", "key", "method", "method", "set", "set", "named"])
        if kind == "set" and depth:
            parts = [self._definition(known, depth - 1) for _ in range(self.rng.randint(1, 3))]
            # dbt takes one `exclude` of a set, and one beside a method counts as that.
            excluding = [part for part in parts if isinstance(part, dict) and "exclude" in part]
            for part in excluding[1:]:
                del part["exclude"]
            if not excluding and self.rng.random() < 0.4:
                parts.append({"exclude": [self._definition(known, 0) for _ in range(self.rng.randint(1, 2))]})
            return {self.rng.choice(["union", "intersection"]): parts}
        if kind == "named" and known:
            return {"method": "selector", "value": self.rng.choice(known)}
        if kind == "text":
            return self.rng.choice(
                ["+orders", "tag:nightly", "source:raw+", "staging", "@items", "models/marts", "kpi.py"]
            )
        method, value = self.rng.choice(
            [
                ("tag", "nightly"),
                ("fqn", "*"),
                ("fqn", "stg_*"),
                ("path", "models/staging"),
                ("config.materialized", "table"),
                ("config.meta.on", True),
                ("config.meta.count", 3),
                ("resource_type", "model"),
                ("test_type", "generic"),
                ("source", "raw"),
                ("exposure", "board"),
                ("package", "vendor"),
            ]
        )
        if kind == "key":
            return {method: value}
        criterion: dict[str, Any] = {"method": method, "value": value}
        for key, values in _CRITERION_KEYS.items():
            if self.rng.random() < 0.3:
                criterion[key] = self.rng.choice(values)
        if criterion.get("childrens_parents"):
            criterion.pop("children", None)
        if self.rng.random() < 0.2:
            criterion["exclude"] = [self._definition(known, 0)]
        return criterion

    def _yaml(self, name: str, content: Any) -> None:
        self.files[name] = json.dumps(content, indent=1)


_CRITERION_KEYS = {
    "parents": [True, False],
    "parents_depth": [0, 1, 2],
    "children": [True],
    "children_depth": [1, 2],
    "childrens_parents": [True],
    "indirect_selection": ["eager", "cautious", "buildable", "empty"],
}


def _group(name: str) -> dict[str, Any]:
    return {"name": name, "owner": {"name": name, "email": f"{name}@example.com"}}


class SelectionTerms:
    """Draws selections whose values are those of a manifest, changed a little now and then."""

    def __init__(self, manifest: dict[str, Any], seed: int) -> None:
        self.rng = Random(seed)
        parts = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")
        self._entries = [entry for part in parts for _, entry in sorted(manifest[part].items())]
        self._kinds = {part: [entry for _, entry in sorted(manifest[part].items())] for part in parts}
        self._methods = sorted(name.removeprefix("_value_") for name in dir(self) if name.startswith("_value_"))

    def selection(self) -> list[str]:
        """One selection: one or a few terms."""
        return [" ".join(self._term() for _ in range(self._few())) for _ in range(self._few())]

    def _few(self) -> int:
        return self.rng.choice([1, 1, 1, 1, 2, 3])

    def _term(self) -> str:
        return ",".join(self._criterion() for _ in range(self._few()))

    def _criterion(self) -> str:
        if self.rng.random() < 0.02:
            return str(self.rng.choice(REFUSED))
        method = self.rng.choice([*self._methods, "fqn", "path"])
        value = str(getattr(self, f"_value_{method}")())
        if self.rng.random() < 0.25 and method not in ("config", "resource_type", "version", "test_type"):
            value = self._changed(value)
        name, _, value = value.rpartition("|") if method == "config" else (f"{method}", "", value)
        bare = method in ("fqn", "path", "file") and self.rng.random() < 0.5
        before = self.rng.choice(["", "", "", "", "+", "+", "1+", "2+", "0+", "@", "@+"])
        after = self.rng.choice(["", "", "", "", "+", "+", "+1", "+2", "+0"])
        value = value.replace(" ", "?").replace(",", "?")
        return f"{before}{'' if bare else name + ':'}{value}{after}"

    def _changed(self, value: str) -> str:
        if not value:
            return value
        at = self.rng.randrange(len(value))
        sign = self.rng.choice(["*", "?", "[a-z]", "x", ""])
        if self.rng.random() < 0.5:
            return value[:at] + sign + value[at + 1 :]
        return value[: at + 1] + ("*" if value[at] != "*" else "")

    def _entry(self, *parts: str) -> dict[str, Any]:
        """An entry of these parts of the manifest; of all, where they have none."""
        return self.rng.choice([entry for part in parts for entry in self._kinds[part]] or self._entries)

    def _value_fqn(self) -> str:
        entry = self._entry()
        fqn = entry["fqn"][self.rng.choice([0, 1]) :]
        name = self.rng.choice([entry["name"], ".".join(fqn), ".".join(fqn[: self.rng.randint(1, len(fqn))])])
        return self.rng.choice([name, name, name.replace(".", "_"), ".".join(fqn[-2:]), "_".join(fqn[-2:]), "*"])

    def _value_path(self) -> str:
        entry = self._entry()
        path = self.rng.choice([entry["original_file_path"], (entry.get("patch_path") or "://x.yml").split("://")[1]])
        parts = path.split("/")
        shape = self.rng.randrange(7)
        if shape == 0:
            parts = parts[:-1]
        elif shape == 1:
            parts[self.rng.randrange(len(parts))] = "*"
        elif shape == 2:
            parts = [*parts[: self.rng.randrange(len(parts))], "**", self.rng.choice(["*.sql", "*", parts[-1]])]
        elif shape == 3:
            parts = [".", *parts[:-1], ""]
        elif shape == 4:
            parts = ["**", *parts[1:]]
        return "/".join(parts)

    def _value_file(self) -> str:
        name = self._entry()["original_file_path"].rpartition("/")[2]
        return str(self.rng.choice([name, name.rpartition(".")[0], "*.csv"]))

    def _value_tag(self) -> str:
        return str(self.rng.choice([*TAGS, "second", "unit", "across", "nobody", "*"]))

    def _value_group(self) -> str:
        return str(self.rng.choice([*GROUPS, "*", "none"]))

    def _value_access(self) -> str:
        return str(self.rng.choice(["public", "protected", "private"]))

    def _value_package(self) -> str:
        return str(self.rng.choice(["this", "shop", "vendor", "*", "v*", "other"]))

    def _value_config(self) -> str:
        entry = self._entry("nodes", "sources")
        key, value = self.rng.choice(sorted(_flat(entry["config"])))
        if self.rng.random() < 0.2:
            value = self.rng.choice([value.upper(), value.lower(), "true", "False"])
        return f"config.{key}|{value}"

    def _value_source(self) -> str:
        source = self._entry("sources")
        names = [source["package_name"], source.get("source_name", "none"), source["name"]]
        return ".".join(self.rng.choice([names, names[1:], names[1:2], ["*", names[2]]]))

    def _value_resource_type(self) -> str:
        return str(self.rng.choice([*(entry["resource_type"] for entry in self._entries), "macro"]))

    def _value_test_name(self) -> str:
        return str(self.rng.choice([*GENERIC, "relationships", "adds_up", "alone_1"]))

    def _value_test_type(self) -> str:
        return str(self.rng.choice(["generic", "schema", "singular", "data", "unit"]))

    def _value_version(self) -> str:
        return str(self.rng.choice(["latest", "old", "prerelease", "none"]))

    def _value_exposure(self) -> str:
        return self._named("exposures")

    def _value_metric(self) -> str:
        return self._named("metrics")

    def _value_saved_query(self) -> str:
        return self._named("saved_queries")

    def _value_semantic_model(self) -> str:
        return self._named("semantic_models")

    def _value_unit_test(self) -> str:
        return self._named("unit_tests")

    def _named(self, part: str) -> str:
        entry = self._entry(part)
        name, package = entry["name"], entry["package_name"]
        return str(self.rng.choice([name, f"{package}.{name}", "*"]))


def _flat(value: Any, above: str = "") -> set[tuple[str, str]]:
    if isinstance(value, dict):
        return {pair for key, inside in value.items() for pair in _flat(inside, f"{above}.{key}" if above else key)}
    values = value if isinstance(value, list) else [value]
    return {(above, str(item)) for item in values if not isinstance(item, dict)} or {(above, "x")}
