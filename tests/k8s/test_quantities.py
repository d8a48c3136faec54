"""Quantities: what Kubernetes takes, how much it is, and what people write in its place."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.k8s.quantities import parse_quantity, quantity_fix, strange_amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("2", 2),
        ("500m", Fraction(1, 2)),
        ("0.5", Fraction(1, 2)),
        (".5Gi", 2**29),
        ("1.", 1),
        ("1.5Gi", 3 * 2**29),
        ("4Gi", 2**32),
        ("4G", 4 * 10**9),
        ("1e3", 1000),
        ("12E2", 1200),
        ("1E", 10**18),
        ("1e-3", Fraction(1, 1000)),
    ],
)
def test_a_quantity_is_an_exact_number(text: str, amount: int | Fraction) -> None:
    assert parse_quantity(text) == amount


@pytest.mark.parametrize(
    "text", ["", "4GB", "4 Gi", "-1", "+1", "Gi", "1gi", "1K", "1.2.3", "1,5", "ten", "1Gi ", "1_0"]
)
def test_what_kubernetes_refuses_is_none(text: str) -> None:
    assert parse_quantity(text) is None


@given(st.integers(min_value=0, max_value=10**12), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_more_is_more(number: int, suffix: str) -> None:
    less, more = parse_quantity(f"{number}{suffix}"), parse_quantity(f"{number + 1}{suffix}")
    assert less is not None
    assert more is not None
    assert less < more


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("4GB", "Write `4Gi` (Gi counts in 1024s)."),
        ("512 mb", "Write `512Mi` (Mi counts in 1024s)."),
        ("1.5 gibytes", "Write `1.5Gi` (Gi counts in 1024s)."),
        ("2 Gi", "Write `2Gi` (Gi counts in 1024s)."),
        ("lots", "Write a Kubernetes quantity, such as `500m`, `2`, `512Mi`, `4Gi`."),
    ],
)
def test_the_fix_names_what_is_meant(text: str, fix: str) -> None:
    assert quantity_fix(text) == fix


@pytest.mark.parametrize(
    ("resource", "text", "told"),
    [
        ("memory", "512m", "is less than one byte"),
        ("memory", "4", "is 4 bytes"),
        ("cpu", "2000", "is 2000 whole cores"),
        ("nvidia.com/gpu", "0.5", "is no whole number"),
    ],
)
def test_an_amount_that_nobody_means_is_told(resource: str, text: str, told: str) -> None:
    found = strange_amount(resource, text)
    assert found is not None
    assert found[0] == told


@pytest.mark.parametrize(
    ("resource", "text"),
    [("memory", "4Gi"), ("memory", "0"), ("cpu", "500m"), ("cpu", "64"), ("nvidia.com/gpu", "2"), ("cpu", "many")],
)
def test_ordinary_amounts_are_fine(resource: str, text: str) -> None:
    assert strange_amount(resource, text) is None
