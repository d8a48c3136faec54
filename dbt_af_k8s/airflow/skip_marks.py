"""The mark that a task leaves when it skips itself, by which waits tell it from every other skip. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The kinds of mark, as a wait takes them in place of the state `skipped`. Not due: there was nothing to do
#: for it in that run. Not built: what it reads has never been built yet.
NOT_DUE = "skipped: nothing to do in that run"
NOT_BUILT = "not built yet"
#: Key of the mark in the XComs of a skipped task. Airflow drops them when the task starts anew.
SKIP_KEY = "dbt_af_k8s_skip"


@dataclass(frozen=True, slots=True)
class SkipMark:
    """Why a task skipped itself."""

    #: `NOT_DUE` or `NOT_BUILT`.
    kind: str
    because: str


def skip_mark(kind: str, because: str) -> tuple[str, dict[str, Any]]:
    """A mark as key and value of an XCom."""
    return SKIP_KEY, {"kind": _KIND_WORDS[kind], "because": because}


def read_skip_mark(value: object) -> SkipMark | None:
    """The mark in the value of an XCom; None for whatever else stands there."""
    if not isinstance(value, Mapping):
        return None
    kind = next((kind for kind, word in _KIND_WORDS.items() if word == value.get("kind")), None)
    return None if kind is None else SkipMark(kind, str(value.get("because", "")))


_KIND_WORDS = {NOT_DUE: "not-due", NOT_BUILT: "not-built"}
