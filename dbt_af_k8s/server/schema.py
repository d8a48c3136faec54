"""The tables of the server's state. Times are seconds since 1970."""

SQLITE_TYPES = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "bytes": "BLOB", "real": "REAL"}
POSTGRES_TYPES = {"serial": "BIGSERIAL PRIMARY KEY", "bytes": "BYTEA", "real": "DOUBLE PRECISION"}

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS invocation (
        number {serial},
        task_id TEXT NOT NULL UNIQUE,
        project TEXT NOT NULL,
        command TEXT NOT NULL,
        callback_url TEXT,
        client TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at {real} NOT NULL,
        started_at {real},
        ended_at {real},
        exc_type TEXT,
        exc_message TEXT,
        exit_code INTEGER,
        owner TEXT,
        lease_until {real},
        abort_requested INTEGER NOT NULL DEFAULT 0,
        start TEXT,
        log_bytes BIGINT NOT NULL DEFAULT 0,
        removed INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX IF NOT EXISTS invocation_by_state ON invocation (state, number)",
    """CREATE TABLE IF NOT EXISTS log_part (
        task_id TEXT NOT NULL,
        begins BIGINT NOT NULL,
        data {bytes} NOT NULL,
        PRIMARY KEY (task_id, begins)
    )""",
    """CREATE TABLE IF NOT EXISTS artifact (
        task_id TEXT NOT NULL,
        name TEXT NOT NULL,
        size BIGINT NOT NULL,
        data {bytes} NOT NULL,
        PRIMARY KEY (task_id, name)
    )""",
    """CREATE TABLE IF NOT EXISTS callback (
        number {serial},
        task_id TEXT NOT NULL,
        url TEXT NOT NULL,
        state TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        next_at {real} NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS project (
        name TEXT PRIMARY KEY,
        settings TEXT NOT NULL
    )""",
)
