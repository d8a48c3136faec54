"""A TTL on real rows: what is strictly older goes, and nothing else."""

import pytest
from maintained_shop import AS_OF, Warehouse

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

#: 10 days before the end of the interval (2026-03-31 06:00 UTC). Both servers and sessions are set to New York.
CUTOFF = "2026-03-21T06:00:00+00:00"

MOMENTS = """
select * from (values
  (1, cast('2026-03-21 05:59:59.999999+00:00' as timestamptz)),
  (2, cast('2026-03-21 06:00:00+00:00' as timestamptz)),
  (3, cast('2026-03-21 06:00:00.000001+00:00' as timestamptz)),
  (4, cast('2026-03-21 07:00:00+02:00' as timestamptz)),
  (5, cast('2026-03-21 01:00:00-07:00' as timestamptz)),
  (6, null),
  (7, cast('9999-12-31 00:00:00+00:00' as timestamptz)),
  (8, cast('1970-01-01 00:00:00+00:00' as timestamptz))
) as rows (id, seen_at)
"""


def ids(warehouse: Warehouse, table: str = "main.events", column: str = "id") -> list[int]:
    return [row[0] for row in warehouse.run(f"select {column} from {table} order by 1")]


def test_moments_on_the_boundary_stay_and_so_do_nulls(warehouse: Warehouse) -> None:
    warehouse.table("main.events", MOMENTS)
    done = warehouse.maintain("ttl", key="seen_at", expiration_timeout=10)
    assert done.code == 0, done.output
    # 4 is 05:00 UTC and old; 5 is 08:00 UTC and young.
    assert ids(warehouse) == [2, 3, 5, 6, 7]
    assert done.result["rows_deleted"] == 3
    assert done.result["cutoff"] == CUTOFF
    assert done.result["outcome"] == "done"
    assert done.result["model"] == "model.shop.events"

    again = warehouse.maintain("ttl", key="seen_at", expiration_timeout=10)
    assert again.code == 0, again.output
    assert again.result["rows_deleted"] == 0
    assert ids(warehouse) == [2, 3, 5, 6, 7]


def test_times_without_a_zone_are_utc_whatever_the_session_says(warehouse: Warehouse) -> None:
    times = "select id, seen_at at time zone 'UTC' as seen_at from (" + MOMENTS + ") as moments"
    if warehouse.adapter == "duckdb":  # needs no time zone data
        times = """
select * from (values
  (1, timestamp '2026-03-21 05:59:59.999999'), (2, timestamp '2026-03-21 06:00:00'),
  (3, timestamp '2026-03-21 06:00:00.000001'), (4, timestamp '2026-03-21 05:00:00'),
  (5, timestamp '2026-03-21 08:00:00'), (6, null), (7, timestamp '9999-12-31 00:00:00'), (8, timestamp '1970-01-01')
) as rows (id, seen_at)
"""
    warehouse.table("main.events", times)
    done = warehouse.maintain("ttl", key="seen_at", expiration_timeout=10)
    assert done.code == 0, done.output
    assert ids(warehouse) == [2, 3, 5, 6, 7]


@pytest.mark.parametrize("kind", ["timestamp_s", "timestamp_ms", "timestamp_ns"])
def test_times_of_other_precision(warehouse: Warehouse, kind: str) -> None:
    """DuckDB's own types; PostgreSQL has a precision in brackets."""
    name = kind if warehouse.adapter == "duckdb" else "timestamp(3)"
    select = f"""
select id, cast(seen_at as {name}) as seen_at from (values
  (1, '2026-03-21 05:59:59'), (2, '2026-03-21 06:00:00'), (3, '2026-03-21 06:00:01'), (4, null)
) as rows (id, seen_at)
"""
    warehouse.table("main.events", select)
    done = warehouse.maintain("ttl", key="seen_at", expiration_timeout=10)
    assert done.code == 0, done.output
    assert ids(warehouse) == [2, 3, 4]


def test_a_date_goes_only_when_its_whole_day_is_over(warehouse: Warehouse) -> None:
    select = """
select id, cast(day as date) as day from (values
  (1, '2026-03-19'), (2, '2026-03-20'), (3, '2026-03-21'), (4, '2026-03-22'), (5, null)
) as rows (id, day)
"""
    warehouse.table("main.events", select)
    done = warehouse.maintain("ttl", key="day", expiration_timeout=10)
    assert done.code == 0, done.output
    # Half of 21 March is younger than 06:00, so all of it stays.
    assert ids(warehouse) == [3, 4, 5]
    assert done.result["rows_deleted"] == 2


@pytest.mark.parametrize("expression", ["'2020-01-01'", "20200101", "cast('00:00' as time)"])
def test_a_column_that_is_no_time_is_refused(warehouse: Warehouse, expression: str) -> None:
    warehouse.table("main.events", f"select 1 as id, {expression} as seen_at")
    done = warehouse.maintain("ttl", key="seen_at", expiration_timeout=10)
    assert done.code == 1
    assert "ttl needs a date or timestamp column, and 'seen_at'" in done.output
    assert "force_predicate" in done.output
    assert ids(warehouse) == [1]


def test_an_additional_predicate_narrows_and_never_widens(warehouse: Warehouse) -> None:
    select = """
select id, cast(seen_at as timestamp) as seen_at, status from (values
  (1, '2026-01-01', 'accepted'), (2, '2026-01-01', 'rejected'), (3, '2026-01-01', null),
  (4, '2026-03-30', 'accepted'), (5, '2026-03-30', 'rejected')
) as rows (id, seen_at, status)
"""
    warehouse.table("main.events", select)
    predicate = "status = 'accepted' or 1 = 1 and status = 'rejected' and id = 5 -- a remark"
    done = warehouse.maintain("ttl", key="seen_at", expiration_timeout=10, additional_predicate=predicate)
    assert done.code == 0, done.output
    assert ids(warehouse) == [2, 3, 4, 5]


def test_a_force_predicate_stands_alone(warehouse: Warehouse) -> None:
    select = """
select id, cast(seen_at as timestamp) as seen_at from (values
  (1, '2026-01-01'), (2, '2026-01-01'), (3, '2026-03-30'), (4, null)
) as rows (id, seen_at)
"""
    warehouse.table("main.events", select)
    done = warehouse.maintain(
        "ttl", key="seen_at", expiration_timeout=10, additional_predicate="1 = 0", force_predicate="id in (2, 3) -- so"
    )
    assert done.code == 0, done.output
    assert ids(warehouse) == [1, 4]
    assert done.result["rows_deleted"] == 2
    assert done.result["cutoff"] is None


@pytest.mark.parametrize("column", ["Mixed Case", "order", "select", 'with "quotes"', "naïve", "a;b--c"])
def test_odd_names_of_columns(warehouse: Warehouse, column: str) -> None:
    quoted = '"' + column.replace('"', '""') + '"'
    rows = "(values (1, '2026-01-01'), (2, '2026-03-30')) as rows (id, seen_at)"
    warehouse.table("main.events", f"select id, cast(seen_at as timestamp) as {quoted} from {rows}")
    done = warehouse.maintain("ttl", key=column, expiration_timeout=10)
    assert done.code == 0, done.output
    assert ids(warehouse) == [2]


@pytest.mark.parametrize(
    ("model", "table"),
    [("odd", '"main_Mixed Case"."Odd free Table"'), ("reserved", 'main."select"')],
)
def test_odd_names_of_tables(warehouse: Warehouse, model: str, table: str) -> None:
    warehouse.table(table, "select 1 as id, cast('2026-01-01' as timestamp) as seen_at union all select 2, null")
    done = warehouse.maintain("ttl", model, key="SEEN_AT", expiration_timeout=10)
    assert done.code == 0, done.output
    assert ids(warehouse, table) == [2]


def test_a_table_that_is_not_built_yet_has_nothing_to_delete(warehouse: Warehouse) -> None:
    done = warehouse.maintain("ttl", "gone", key="seen_at", expiration_timeout=10)
    assert done.code == 0, done.output
    assert (done.result["outcome"], done.result["rows_deleted"], done.result["relation"]) == ("not built", 0, None)


def test_a_view_is_refused(warehouse: Warehouse) -> None:
    warehouse.run("drop view if exists main.a_view; create view main.a_view as select 1 as id")
    done = warehouse.maintain("ttl", "a_view", force_predicate="true")
    assert done.code == 1
    assert "'ttl' needs a table" in done.output


def test_names_that_are_not_there_are_told_with_those_that_are(warehouse: Warehouse) -> None:
    warehouse.table("main.events", "select 1 as id, cast('2026-01-01' as timestamp) as seen_at")
    no_column = warehouse.maintain("ttl", key="seen", expiration_timeout=10)
    assert no_column.code == 1
    assert "has no column 'seen'. Its columns: id, seen_at" in no_column.output
    no_model = warehouse.maintain("ttl", "evnts", key="seen_at", expiration_timeout=10)
    assert no_model.code == 1
    assert "The manifest has no node 'model.shop.evnts'" in no_model.output
    assert ids(warehouse) == [1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"as_of": "2026-03-31T06:00:00"}, "as_of must be a moment with its offset"),
        ({"as_of": "now()"}, "as_of must be a moment with its offset"),
        ({"as_of": None}, "as_of must be a moment with its offset"),
        ({"expiration_timeout": 0}, "expiration_timeout must be a whole number of days"),
        ({"expiration_timeout": -5}, "expiration_timeout must be a whole number of days"),
        ({"expiration_timeout": 1.5}, "expiration_timeout must be a whole number of days"),
        ({"expiration_timeout": True}, "expiration_timeout must be a whole number of days"),
        ({"expiration_timeout": "10"}, "expiration_timeout must be a whole number of days"),
        ({"expiration_timeout": 99_999_999}, "expiration_timeout must be a whole number of days"),
        ({"key": None}, "ttl needs `key`"),
    ],
    ids=str,
)
def test_arguments_by_hand_are_checked_before_anything_is_deleted(
    warehouse: Warehouse, wrong: dict[str, object], message: str
) -> None:
    if warehouse.adapter == "postgres":
        pytest.skip("the arguments are read before the warehouse is asked; DuckDB shows it")
    warehouse.table("main.events", "select 1 as id, cast('2020-01-01' as timestamp) as seen_at")
    right = {"model": "model.shop.events", "key": "seen_at", "expiration_timeout": 10, "as_of": AS_OF.isoformat()}
    done = warehouse.macro("dbt_af_k8s.ttl", **{**right, **wrong})
    assert done.code == 1
    assert message in done.output
    assert ids(warehouse) == [1]
