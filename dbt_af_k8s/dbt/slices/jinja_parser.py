"""Jinja as dbt 1.11 parses it, by jinja2's own lexer and parser. Pure.

Source: `dbt_common.clients.jinja`, whose tags and typed macros jinja2 alone does not know. Nothing is rendered.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.meta import TrackingCodeGenerator
from jinja2.parser import Parser

#: dbt names macros so within their file, so that a call by the plain name is looked up among all macros.
_PREFIX = "dbt_macro__"


class _DbtParser(Parser):
    """dbt's parser: macros with types, and without a name within their own file."""

    def parse_macro(self) -> nodes.Macro:
        macro = super().parse_macro()
        macro.name = _PREFIX + macro.name
        return macro

    def parse_signature(self, node: nodes.Macro | nodes.CallBlock) -> None:
        """As jinja2's own, with an optional type behind each parameter: `name: list[str]`."""
        node.args, node.defaults = [], []
        self.stream.expect("lparen")
        while self.stream.current.type != "rparen":
            if node.args:
                self.stream.expect("comma")
            argument = self.parse_assign_target(name_only=True)
            argument.set_ctx("param")
            if self.stream.skip_if("colon"):
                self.parse_postfix(self.parse_primary())
            if self.stream.skip_if("assign"):
                node.defaults.append(self.parse_expression())
            elif node.defaults:
                self.fail("non-default argument follows default argument")
            node.args.append(argument)
        self.stream.expect("rparen")


class _DbtBlocks(Extension):
    """`{% materialization %}`, `{% test %}` and `{% docs %}`."""

    tags = {"materialization", "test", "docs"}  # noqa: RUF012  as jinja2 has it

    def parse(self, parser: Parser) -> nodes.Node:
        token = next(parser.stream)
        block = nodes.Macro(lineno=token.lineno)
        block.name = _PREFIX + parser.parse_assign_target(name_only=True).name
        block.args, block.defaults = [], []
        if token.value == "test":
            parser.parse_signature(block)
        while parser.stream.skip_if("comma"):
            parser.parse_assign_target(name_only=True)
            if parser.stream.skip_if("assign"):
                parser.parse_expression()
        block.body = parser.parse_statements((f"name:end{token.value}",), drop_needle=True)
        return block


class _AnyName(dict[str, Any]):
    """Filters or tests by name; dbt and its adapters add some that are not known here."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default) or str


class _DbtEnvironment(Environment):
    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _DbtParser(self, source, name, filename).parse()


class BrokenJinjaError(Exception):
    """A text that is no Jinja; the message says where and why."""


def jinja_signature(text: str) -> str:
    """SHA-256 of a text's Jinja, hex: without what stands around it, comments and spaces. Of all, where it is none."""
    try:
        parts = [
            (kind, value)
            for _, kind, value in _DbtEnvironment().lex(text)
            if kind not in ("data", "whitespace") and not kind.startswith("comment")
        ]
    except TemplateError:
        parts = [("all", text)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@cache
def make_parser() -> Callable[[str], tuple[nodes.Template, frozenset[str]]]:
    """A parser: text -> its tree, and the names that it looks up outside of itself (no parameters, no `set`).

    It raises `BrokenJinjaError`.
    """
    environment = _DbtEnvironment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", _DbtBlocks])
    # What jinja2 defines globally, a macro of the project may define anew.
    environment.globals.clear()
    environment.filters = _AnyName(environment.filters)
    environment.tests = _AnyName(environment.tests)

    def parse(text: str) -> tuple[nodes.Template, frozenset[str]]:
        try:
            tree = environment.parse(text)
            # As jinja2's own `find_undeclared_variables`, but nothing is left out of the tree that can never run.
            names = TrackingCodeGenerator(environment)
            names.optimizer = None
            names.visit(tree)
            return tree, frozenset(names.undeclared_identifiers)
        except TemplateError as failed:
            line = getattr(failed, "lineno", None)
            raise BrokenJinjaError(f"{failed.message}{f' (line {line})' if line else ''}") from None
        except (RecursionError, SyntaxError, ValueError) as failed:
            raise BrokenJinjaError(type(failed).__name__) from None

    return parse
