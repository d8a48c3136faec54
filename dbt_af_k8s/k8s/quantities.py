"""Kubernetes quantities (`500m`, `4Gi`), and what people write in their place.

Source of the form: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from fractions import Fraction

_FORM = re.compile(r"(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?")
_FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
#: Less memory than any container starts with, in bytes.
_LEAST_BYTES = 2**20
#: More cores than any machine has.
_MOST_CORES = 1000
#: What a quantity looks like, for messages and the reference.
QUANTITY_FORM = "a Kubernetes quantity, such as `500m`, `2`, `512Mi`, `4Gi`"
_BYTES = ("memory", "ephemeral-storage")


def parse_quantity(text: str) -> Fraction | None:
    """The number that a quantity stands for, exactly; None for what is no quantity, or below zero."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    digits, exponent, suffix = found.groups()
    number = Fraction(digits if digits[-1] != "." else digits[:-1])
    if exponent is not None:
        return number * Fraction(10) ** int(exponent)
    return number * _FACTORS[suffix] if suffix else number


def quantity_fix(text: str) -> str:
    """What to write in place of a text that is no quantity."""
    words = re.fullmatch(r"\s*([\d.]+)\s*([a-zA-Z]+)\s*", text)
    if words is not None:
        unit = words[2].lower().removesuffix("ytes").removesuffix("yte").removesuffix("b").removesuffix("i")
        if len(unit) == 1 and unit in "kmgtpe" and parse_quantity(words[1]) is not None:
            return f"Write `{words[1]}{unit.upper()}i` ({unit.upper()}i counts in 1024s)."
    return f"Write {QUANTITY_FORM}."


def strange_amount(resource: str, text: str) -> tuple[str, str] | None:
    """Why nobody means that much of a resource, and the fix: `memory: 512m` is half a byte. None where it is fine."""
    amount = parse_quantity(text)
    if amount is None:
        return None
    if resource == "cpu" and amount >= _MOST_CORES:
        return f"is {int(amount)} whole cores", f"For thousandths of a core write `{text}m`."
    if resource in _BYTES and 0 < amount < _LEAST_BYTES:
        told = "less than one byte" if amount < 1 else f"{int(amount)} bytes"
        number = text.rstrip("mkKi")
        return f"is {told}", f"For mebibytes write `{number}Mi`, for gibibytes `{number}Gi`."
    if resource not in _BYTES and resource != "cpu" and not resource.startswith("hugepages-") and amount % 1:
        return "is no whole number", "Devices such as GPUs are counted in whole numbers."
    return None
