"""Which failures stay when dbt runs again, and which may pass: only the first kind is not retried.

A failure counts as lasting only where dbt's or the warehouse's own words leave no doubt. All else is retried. A missing
table may be there a minute later: whole tables come and go as pipelines work. A column, a function or a type comes only
with a change that somebody makes. A lost connection speaks with the same words as a wrong one.
"""

import re

from dbt_af_k8s.dbt.logs import LogDigest

#: Rows: what the message shows, and a pattern over the text after dbt's own first line. Read with dbt-core 1.11,
#: dbt-duckdb 1.11 and dbt-postgres 1.11; the others from the warehouses' documented error texts.
_SQL_FAULTS = (
    ("DuckDB: SQL that does not parse", re.compile(r"\A\s*Parser Error:")),
    (
        # Columns, types and clauses of a statement; but a view or a whole database may be another one soon.
        "DuckDB: SQL that does not fit its tables",
        re.compile(r'\A\s*Binder Error: (?!Catalog "|Contents of view|Unique file handle|.*\bread-only mode)'),
    ),
    (
        "DuckDB: no such function or type",
        re.compile(
            r"\A\s*Catalog Error: (?:\w+ )*(?:Function|Type) with name .* (?:does not exist!|is not in the cat)"
        ),
    ),
    ("PostgreSQL, Redshift: SQL that does not parse", re.compile(r"\A\s*syntax error at or near ")),
    (
        "PostgreSQL, Redshift: no such column, function, operator or type",
        re.compile(r"\A\s*(?:column|function|operator|type)\b[^\n]* does not exist"),
    ),
    (
        "PostgreSQL, Redshift: SQL that does not fit its tables",
        re.compile(
            r"\A\s*(?:"
            r"column [^\n]* (?:must appear in the GROUP BY clause|is of type [^\n]* but expression is of type )"
            r"|column reference [^\n]* is ambiguous"
            r"|(?:missing|invalid reference to) FROM-clause entry for table "
            r"|(?:aggregate|window) functions? [^\n]*(?:are not allowed|cannot be nested)"
            r"|each (?:UNION|INTERSECT|EXCEPT) query must have the same number of columns"
            r"|(?:UNION|INTERSECT|EXCEPT|CASE) types [^\n]* cannot be matched"
            r"|INSERT has more (?:expressions than target columns|target columns than expressions)"
            r"|subquery must return only one column"
            r"|(?:ORDER|GROUP) BY position \d+ is not in select list"
            r"|argument of [^\n]* must be type boolean"
            r")"
        ),
    ),
    ("Snowflake", re.compile(r"\A\s*0010\d\d \(42000\):.*\s*SQL compilation error:\s*syntax error line")),
    ("BigQuery", re.compile(r"\A\s*Syntax error: ")),
    ("Databricks, Spark", re.compile(r"\A\s*\[PARSE_SYNTAX_ERROR\]")),
)
#: First words of dbt's errors that come of the project's text alone.
_COMPILE_FAULTS = ("Compilation Error", "Parsing Error")
_RUNTIME_ERROR = "Runtime Error"
#: What dbt 1.11 writes before the error of a macro that `dbt run-operation` ran (`RunningOperationCaughtError`).
_OPERATION_HEADER = "Encountered an error while running operation: "


def is_lasting_failure(status: str, message: str) -> bool:
    """Whether a node that ended with this status and message would end so again.

    A failed data test (`fail`), Jinja that does not compile or breaks its contract, and SQL that does not parse or does
    not fit the columns, types and functions that there are.
    """
    if status == "fail":
        return True
    if message.startswith(_COMPILE_FAULTS):
        return True
    _, _, said = message.partition("\n")
    return any(pattern.search(said) for _, pattern in _SQL_FAULTS)


def is_lasting_operation(log: LogDigest) -> bool:
    """Whether a macro that failed under `dbt run-operation` would fail so again: one of its errors says so."""
    return any(is_lasting_failure("error", error.removeprefix(_OPERATION_HEADER)) for error in log.errors)


def is_lasting_end(log: LogDigest) -> bool:
    """Whether dbt would end again before it ran anything.

    A wrong argument, a project that does not parse, and whatever is wrong with the project or the profile before dbt
    has an adapter: an unset environment variable, an unknown target, an adapter that is not installed.
    """
    if log.fatal is None:
        return False
    if log.is_usage or log.fatal.startswith(_COMPILE_FAULTS):
        return True
    return log.fatal.startswith(_RUNTIME_ERROR) and not log.is_ready
