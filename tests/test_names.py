"""Ids that Airflow takes, each once."""

import re

from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.names import MAX_ID_LENGTH, IdBook, legal_id, node_name, short_hash

LEGAL = re.compile(r"^[A-Za-z0-9_-]{1,250}$")


def test_plain_names_stay() -> None:
    assert legal_id("orders") == "orders"
    assert legal_id(node_name("orders", "2")) == "orders__v2"
    assert legal_id("dash-ed_Name") == "dash-ed_Name"


def test_odd_names_keep_what_they_can_and_get_a_hash() -> None:
    assert legal_id("größe") == f"gr_e_{short_hash('größe')}"
    assert legal_id("a/b") != legal_id("a b")


@given(st.text())
def test_every_name_becomes_legal(name: str) -> None:
    assert LEGAL.match(legal_id(name))


@given(st.lists(st.text(), unique=True, max_size=30))
def test_different_names_never_share_an_odd_id(names: list[str]) -> None:
    odd = [name for name in names if not re.fullmatch(r"[A-Za-z0-9_.-]*", name)]
    assert len({legal_id(name) for name in odd}) == len(odd)


def test_long_names_are_cut_and_told_apart() -> None:
    first, second = legal_id("m" * 400 + "a"), legal_id("m" * 400 + "b")
    assert len(first) == len(second) == MAX_ID_LENGTH
    assert first != second


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c" * 250]), st.text(max_size=3)), max_size=40))
def test_a_book_gives_each_id_once(claims: list[tuple[str, str]]) -> None:
    book = IdBook()
    given_out = [book.claim(wanted, owner) for wanted, owner in claims]
    assert len(set(given_out)) == len(given_out)
    assert all(len(identifier) <= MAX_ID_LENGTH for identifier in given_out)
