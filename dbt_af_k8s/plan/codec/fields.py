"""Reading the plan's JSON field by field: whatever is wrong is told with the place where it stands."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from dbt_af_k8s.errors import DbtAfK8sError

Choice = TypeVar("Choice", bound=StrEnum)

#: A time without offset would mean another moment on another machine.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?([+-]\d\d:\d\d(:\d\d)?|Z)")


class PlanFormatError(DbtAfK8sError):
    """The text is no plan, or a plan of another version, or a value has no place in the plan's JSON."""


def write_moment(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC.

    Raises `PlanFormatError` for a time without time zone.
    """
    if moment.tzinfo is None:
        raise PlanFormatError(f"The time {moment.isoformat()} has no time zone; a plan holds moments only.")
    return moment.astimezone(UTC).isoformat()


@dataclass(frozen=True, slots=True)
class Fields:
    """One object of the JSON, and where it stands (`dags[2].tasks[0]`), for messages.

    Every reader takes the key; those with a `default` give it where the key is absent, the others raise
    `PlanFormatError` then. All raise it where the value is of another type.
    """

    data: Mapping[str, Any]
    where: str = ""

    def place(self, key: str) -> str:
        """The dotted path of a key of this object."""
        return f"{self.where}.{key}" if self.where else key

    def wrong(self, key: str, wanted: str) -> PlanFormatError:
        """The error that a key's value is not what is wanted."""
        return PlanFormatError(f"This is no plan: `{self.place(key)}` must be {wanted}, not {_shown(self.data[key])}.")

    def value(self, key: str) -> Any:
        """The raw value of a key that must be there."""
        if key not in self.data:
            raise PlanFormatError(f"This is no plan: `{self.place(key)}` is missing.")
        return self.data[key]

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self.value(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def text_or(self, key: str, default: str) -> str:
        """A text, or the default where the key is absent."""
        return self.text(key) if key in self.data else default

    def optional_text(self, key: str) -> str | None:
        """A text or null; absent means null."""
        return None if self.data.get(key) is None else self.text(key)

    def boolean(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def integer(self, key: str, default: int) -> int:
        """A whole number."""
        value = self.data.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "a whole number")
        return value

    def optional_integer(self, key: str) -> int | None:
        """A whole number or null; absent means null."""
        return None if self.data.get(key) is None else self.integer(key, 0)

    def moment(self, key: str) -> datetime:
        """A moment in ISO 8601 with offset."""
        text = self.text(key)
        try:
            if _MOMENT.fullmatch(text):
                return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise self.wrong(key, "a time in ISO 8601 with offset")

    def optional_moment(self, key: str) -> datetime | None:
        """A moment or null; absent means null."""
        return None if self.data.get(key) is None else self.moment(key)

    def choice(self, key: str, choices: type[Choice]) -> Choice:
        """One of the values of an enumeration."""
        text = self.text(key)
        known = [str(choice) for choice in choices]
        if text not in known:
            close = get_close_matches(text, known, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise self.wrong(key, "one of " + ", ".join(known) + hint)
        return choices(text)

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts; absent means the default."""
        if key not in self.data:
            return default
        value = self.data[key]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of texts")
        return tuple(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """An object whose keys are free, as it is."""
        value = self.value(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return value

    def optional_mapping(self, key: str) -> Mapping[str, Any] | None:
        """An object whose keys are free, or null; absent means null."""
        return None if self.data.get(key) is None else self.mapping(key)

    def inner(self, key: str) -> "Fields":
        """An object that must be there, to be read field by field."""
        return Fields(self.mapping(key), self.place(key))

    def optional_inner(self, key: str) -> "Fields | None":
        """An object or null; absent means null."""
        return None if self.data.get(key) is None else self.inner(key)

    def items(self, key: str, *, required: bool = False) -> tuple["Fields", ...]:
        """A list of objects; absent means none unless it is required."""
        value = self.value(key) if required else self.data.get(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                raise PlanFormatError(
                    f"This is no plan: `{self.place(key)}[{position}]` must be an object, not {_shown(item)}."
                )
        return tuple(Fields(item, f"{self.place(key)}[{position}]") for position, item in enumerate(value))


def _shown(value: Any) -> str:
    """A JSON value in a message: short, and never a page of text."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    shown = f"`{value}`" if isinstance(value, str) else json.dumps(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
