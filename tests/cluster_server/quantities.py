"""Amounts as Kubernetes writes them: `500m`, `2Gi`, `1e3`."""

import re
from decimal import ROUND_CEILING, Decimal

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18} | {
    f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGTPE", start=1)
}
_AMOUNT = re.compile(r"^(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?P<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$")
_SMALL = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}


def amount(text: object) -> Decimal:
    """The number of an amount. ValueError for what is none."""
    found = _AMOUNT.match(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    number, unit = Decimal(found["number"]), found["unit"] or ""
    if unit[:1] in ("e", "E") and len(unit) > 1:
        return number * Decimal(f"1{unit}")
    return number * (_SMALL[unit] if unit in _SMALL else _UNITS[unit])


def in_units_of(text: object, divisor: object) -> str:
    """An amount divided and rounded up, as `resourceFieldRef` hands it to a container."""
    part = amount(divisor) or Decimal(1)
    return str((amount(text) / part).to_integral_value(ROUND_CEILING))
