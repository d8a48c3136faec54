"""What dbt's Jinja says, read as text: words, calls of `config`, `ref` and `source`. Pure.

Nothing is rendered. Where the text alone does not tell, the answer is the careful one: a node too many runs without a
slice, which costs time and nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_BLOCK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w*")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_KEYWORD_NAME = re.compile(r"[A-Za-z_]\w*\s*=(?!=)")
_CONSTANTS = frozenset({"True", "False", "None", "true", "false", "none"})
_CONFIG_CALL = re.compile(r"(?<![\w.])config\s*\(")
_CALL = re.compile(r"(?<![\w.])(?:builtins\s*\.\s*)?(ref|source)\s*\(")
_OPENS = re.compile(r"\{%-?\s*(?:if|for|macro|call|filter)\b")
_CLOSES = re.compile(r"\{%-?\s*end(?:if|for|macro|call|filter)\b")
_LITERAL = re.compile(r"\s*(?:(?:v|version)\s*=\s*)?(?:'([^'\\{}]*)'|\"([^\"\\{}]*)\"|(\d+(?:\.\d+)?))\s*")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `ref` or `source`."""

    function: str
    #: Its arguments as texts, where all of them are literals; else None.
    arguments: tuple[str, ...] | None


def without_comments(text: str) -> str:
    """The text without Jinja comments."""
    return _COMMENT.sub("", text) if "{#" in text else text


def words(text: str) -> frozenset[str]:
    """Every word in the Jinja of a text, in its strings, too: a macro's name may stand in one."""
    if "{" not in text:
        return frozenset()
    return frozenset(word for block in _BLOCK.findall(without_comments(text)) for word in _WORD.findall(block))


def expression_words(text: str) -> frozenset[str]:
    """Every word in the Jinja of a text that is no string and no name of an argument."""
    if "{" not in text:
        return frozenset()
    found: set[str] = set()
    for block in _BLOCK.findall(without_comments(text)):
        found.update(_names(block))
    return frozenset(found)


def computed_config(text: str) -> str | None:
    """Why what `config(...)` says is not the same whenever the text is read, or None."""
    if "config" not in text:
        return None
    plain = without_comments(text)
    for call in _CONFIG_CALL.finditer(plain):
        before = plain[: call.start()]
        if len(_OPENS.findall(before)) > len(_CLOSES.findall(before)):
            return "config() stands in a condition"
        names = sorted(_names(_arguments(plain, call.end())))
        if names:
            return f"config() is computed from `{names[0]}`"
    return None


def calls(text: str) -> Iterator[Call]:
    """The calls of `ref` and `source` in a text."""
    if "ref" not in text and "source" not in text:
        return
    plain = without_comments(text)
    for call in _CALL.finditer(plain):
        yield Call(call[1], _literals(_arguments(plain, call.end())))


def _names(expression: str) -> Iterator[str]:
    bare = _KEYWORD_NAME.sub(" ", _STRING.sub(" ", expression))
    for word in _WORD.findall(bare):
        if word not in _CONSTANTS:
            yield word


def _arguments(text: str, begin: int) -> str:
    """The text from `begin`, just after a bracket, to the bracket that closes it."""
    depth, at = 1, begin
    while at < len(text):
        letter = text[at]
        if letter in "'\"":
            string = _STRING.match(text, at)
            at = len(text) if string is None else string.end()
            continue
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0:
            return text[begin:at]
        at += 1
    return text[begin:]


def _literals(arguments: str) -> tuple[str, ...] | None:
    found: list[str] = []
    for part in arguments.split(","):
        literal = _LITERAL.fullmatch(part)
        if literal is None:
            return None
        found.append(next(text for text in literal.groups() if text is not None))
    return tuple(found)
