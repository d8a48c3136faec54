"""Names of Kubernetes: what is one, and the text that becomes one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.k8s.names import (
    is_dns_label,
    is_dns_subdomain,
    is_label_key,
    is_label_value,
    is_variable,
    safe_label_value,
    safe_pod_name,
)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (is_dns_label, ("a", "a-1", "1a", "x" * 63), ("", "A", "-a", "a-", "a.b", "a_b", "x" * 64, "a\n")),
        (is_dns_subdomain, ("a.b", "a", "x" * 253), ("", ".a", "a..b", "a_b", "x" * 254)),
        (is_label_value, ("", "A_b.c-d", "x" * 63), ("-a", "a-", "a b", "x" * 64, "a\n", "ü")),
        (is_label_key, ("a", "nvidia.com/gpu", "A_b"), ("", "/a", "a/", "A.com/x", "a b", "a/b/c")),
        (is_variable, ("A", "_a1"), ("", "1A", "A-B", "A B", "A=", "A\n")),
    ],
)
def test_names_are_told_from_other_text(check, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    assert [text for text in right if not check(text)] == []
    assert [text for text in wrong if check(text)] == []


@given(st.text())
def test_every_text_becomes_a_label_value(text: str) -> None:
    assert is_label_value(safe_label_value(text))


@given(st.text())
def test_every_text_becomes_a_pod_name_with_room_for_a_suffix(text: str) -> None:
    name = safe_pod_name(text)
    assert is_dns_label(f"{name}-12345678")


@given(st.lists(st.text(max_size=80), unique=True, min_size=2, max_size=5))
def test_two_texts_never_become_one(texts: list[str]) -> None:
    assert len({safe_pod_name(text) for text in texts}) == len(texts)
    assert len({safe_label_value(text) for text in texts}) == len(texts)


def test_what_is_right_stays_as_it_is() -> None:
    assert safe_label_value("orders_daily.v2") == "orders_daily.v2"
    assert safe_pod_name("orders") == "orders"
    assert safe_pod_name("orders_daily").startswith("orders-daily-")
