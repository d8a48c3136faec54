"""The macros of the maintenance package, rendered without dbt and without a warehouse, to see their statements.

This is no warehouse and no dbt: Jinja runs the real macro files, while the adapter, the relation, the columns and the
manifest are made up here after dbt's public documentation. It shows which text would be sent; that a warehouse takes it
and does the right thing with it only the warehouse itself can show.
"""

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jinja2
import pytz

from dbt_af_k8s.dbt.maintenance_package import package_path

#: Adapter types from which another takes over macros, as their plugins say (`AdapterPlugin(dependencies=[...])`).
PARENTS = {"databricks": ("spark",), "redshift": ("postgres",)}
QUOTES = {"bigquery": "`", "databricks": "`", "spark": "`"}
MACRO = re.compile(r"{%-?\s*macro\s+(\w+)\(")


class CompilerError(Exception):
    """What `exceptions.raise_compiler_error` says."""


class Returned(Exception):  # noqa: N818  it is no error: dbt's own `return` is an exception too
    """The value that a macro returns."""

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as an adapter names it."""

    adapter: str
    type: str = "table"
    database: str = "Shop"
    schema: str = "main"
    identifier: str = "order"

    def __str__(self) -> str:
        quote = QUOTES.get(self.adapter, '"')
        parts = [self.database, self.schema, self.identifier][1 if self.adapter == "spark" else 0 :]
        return ".".join(f"{quote}{part}{quote}" for part in parts)

    def __add__(self, other: str) -> str:
        return str(self) + other


class Package:
    """The macros of the package, each callable, with a made-up dbt around them."""

    def __init__(self, adapter: str, columns: Mapping[str, str], node: Mapping[str, Any], surplus: int = 3) -> None:
        self.statements: list[str] = []
        self.results: list[dict[str, Any]] = []
        self._adapter = adapter
        self._columns = columns
        self._node = node
        self._surplus = surplus
        self._macros: dict[str, Callable[..., Any]] = {}
        self._load()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            return self._macros[name]
        except KeyError:
            raise AttributeError(name) from None

    def _load(self) -> None:
        environment = jinja2.Environment(extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined)
        for file in sorted((package_path() / "macros").glob("*.sql")):
            text = file.read_text(encoding="utf-8")
            names = MACRO.findall(text)
            template = environment.from_string(MACRO.sub(r"{% macro dbt_macro__\1(", text), globals=self._context())
            module = template.module
            for name in names:
                assert name not in self._macros, name
                self._macros[name] = _returning(getattr(module, f"dbt_macro__{name}"))

    def _context(self) -> dict[str, Any]:
        names = ("date", "datetime", "time", "timedelta", "tzinfo")  # all of `modules.datetime` that dbt gives
        return {
            "dbt_af_k8s": self,
            "adapter": SimpleNamespace(
                type=lambda: self._adapter,
                dispatch=self._dispatch,
                get_relation=lambda database, schema, identifier: Relation(self._adapter),
                get_columns_in_relation=lambda relation: [
                    SimpleNamespace(name=name, data_type=kind) for name, kind in self._columns.items()
                ],
                commit=lambda: None,
                disable_transactions=lambda: False,
            ),
            "graph": SimpleNamespace(nodes={self._node["unique_id"]: _Mapping(self._node)}),
            "project_name": "shop",
            "exceptions": SimpleNamespace(raise_compiler_error=_raise),
            "modules": SimpleNamespace(
                re=re, pytz=pytz, datetime=SimpleNamespace(**{name: getattr(datetime, name) for name in names})
            ),
            "return": _return,
            "log": self._log,
            "tojson": lambda value, sort_keys=False: json.dumps(value, sort_keys=sort_keys),
            "statement": self._statement,
            "load_result": lambda name: SimpleNamespace(response=SimpleNamespace(rows_affected=3), table=None),
            "run_query": self._query,
        }

    def _dispatch(self, name: str, package: str) -> Callable[..., Any]:
        assert package == "dbt_af_k8s"
        for prefix in (self._adapter, *PARENTS.get(self._adapter, ()), "default"):
            if f"{prefix}__{name}" in self._macros:
                return self._macros[f"{prefix}__{name}"]
        raise AssertionError(f"no macro {name} for {self._adapter}")

    def _statement(self, name: str, *, fetch_result: bool, auto_begin: bool, caller: Callable[[], str]) -> str:
        sql = caller().strip()
        if sql != "select 1":
            self.statements.append(sql)
        return ""

    def _query(self, sql: str) -> Any:
        self.statements.append(sql.strip())
        return SimpleNamespace(rows=[[self._surplus]])

    def _log(self, message: str, info: bool) -> None:
        self.results.append(json.loads(message.removeprefix("dbt_af_k8s result: ")))


class _Mapping(dict[str, Any]):
    """A node: its entries are attributes too, as in Jinja they are."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _returning(macro: Callable[..., str]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        try:
            return macro(*args, **options)
        except Returned as returned:
            return returned.value

    return call


def _return(value: Any) -> None:
    raise Returned(value)


def _raise(message: str) -> None:
    raise CompilerError(message)
