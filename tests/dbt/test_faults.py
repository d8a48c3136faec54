"""Which words of the warehouses say that the same SQL would fail again: asked of real ones."""

import duckdb
import psycopg2
import pytest
from postgres import PostgresServer, postgres_server

from dbt_af_k8s.dbt.faults import is_lasting_failure

__all__ = ["postgres_server"]

TABLES = "create table orders (id integer, name text, day date); create table other (id integer, size integer)"
#: The same in both warehouses.
LASTING = (
    "selec 1",
    "select nme from orders",
    "select o.nme from orders o",
    "select x.id from orders o",
    "select orders.id from orders o",
    "select id, count(*) from orders",
    "select id from orders, other",
    "select id from orders where count(*) > 1",
    "select id from orders where row_number() over () = 1",
    "select sum(count(*)) from orders",
    "select no_such_function(id) from orders",
    "select * from no_such_function(1)",
    "select substr(day, 'x') from orders",
    "select day + day from orders",
    "select cast(id as no_such_type) from orders",
    "select id from orders union all select id, size from other",
    "select (select id, name from orders)",
    "select id from orders order by 7",
    "insert into orders values (1, 'a', date '2026-01-01', 4)",
    "update orders set nme = 'a'",
    "alter table orders drop column nme",
)
ONLY_DUCKDB = ("select * exclude (nme) from orders", "select st_point(1, 2)", "select unnest(5)")
ONLY_POSTGRES = (
    "select id from orders union all select name from orders",
    "insert into orders (id) values (1, 'a')",
    "update orders set id = name",
    "select id from orders where id",
)
#: What other work in the warehouse may mend.
PASSING = (
    "select * from nowhere",
    "select * from no_schema.nowhere",
    "create table orders (id integer)",
    "select cast(name as integer) from (select 'a' as name) as t",
)


@pytest.mark.parametrize(
    ("sql", "is_lasting"), [*((sql, True) for sql in LASTING + ONLY_DUCKDB), *((sql, False) for sql in PASSING)]
)
def test_duckdb(sql: str, is_lasting: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        with pytest.raises(duckdb.Error) as failed:
            connection.execute(sql).fetchall()
    said = f"Runtime Error in model orders (models/orders.sql)\n  {failed.value}"
    assert is_lasting_failure("error", said) is is_lasting, said


def test_postgres(postgres_server: PostgresServer) -> None:
    postgres_server.run(f"create schema faults; set search_path = faults; {TABLES}")
    cases = [*((sql, True) for sql in LASTING + ONLY_POSTGRES), *((sql, False) for sql in PASSING)]
    wrong = []
    for sql, is_lasting in cases:
        with pytest.raises(psycopg2.Error) as failed:
            postgres_server.run(f"set search_path = faults; {sql}")
        said = f"Database Error in model orders (models/orders.sql)\n  {failed.value}"
        if is_lasting_failure("error", said) is not is_lasting:
            wrong.append((sql, said))
    assert wrong == []
