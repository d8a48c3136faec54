"""Which options of dbt a client may give, as a table. Pure.

Names and kinds are those of dbt 1.11 (`dbt/cli/params.py`); a test compares them with dbt's own command line. What is
not in the table is refused: what decides where dbt reads and writes, who it is, and how the server reads its output.
"""

from collections.abc import Mapping
from types import MappingProxyType

FLAG, ONE, MANY = "flag", "one", "many"

#: Commands of dbt, each with its words.
VERBS = (
    "build",
    "clean",
    "clone",
    "compile",
    "debug",
    "deps",
    "docs generate",
    "list",
    "ls",
    "parse",
    "retry",
    "run",
    "run-operation",
    "seed",
    "show",
    "snapshot",
    "source freshness",
    "test",
)
#: Those that a client may use where the settings name none: they change nothing but the warehouse, as the project says.
DEFAULT_VERBS = (
    "build",
    "compile",
    "docs generate",
    "list",
    "ls",
    "parse",
    "run",
    "run-operation",
    "seed",
    "snapshot",
    "source freshness",
    "test",
)
#: Those that the server can never run: they change the project, or need the target folder of an earlier run.
NEVER_VERBS = ("clean", "clone", "debug", "deps", "retry")

_PAIRS = (
    "cache-selected-only",
    "debug",
    "defer",
    "empty",
    "export-saved-queries",
    "fail-fast",
    "favor-state",
    "include-saved-query",
    "introspect",
    "populate-cache",
    "print",
    "quiet",
    "show-all-deprecations",
    "single-threaded",
    "static-parser",
    "use-fast-test-edges",
    "version-check",
)
#: `write-json` is what the server says anyway; a command that says it, too, wants the whole `manifest.json`, so it does
#: not start from slices.
_FLAGS = (
    "compile",
    "empty-catalog",
    "full-refresh",
    "no-compile",
    "show",
    "static",
    "store-failures",
    "warn-error",
    "write-json",
)
_ONES = (
    "args",
    "event-time-end",
    "event-time-start",
    "indirect-selection",
    "limit",
    "log-level",
    "output",
    "printer-width",
    "sample",
    "selector",
    "target",
    "threads",
    "vars",
    "warn-error-options",
)
_MANYS = (
    "exclude",
    "exclude-resource-type",
    "exclude-resource-types",
    "model",
    "models",
    "output-keys",
    "resource-type",
    "resource-types",
    "select",
)

#: Option -> what follows it.
ALLOWED: Mapping[str, str] = MappingProxyType(
    {
        **{f"--{name}": FLAG for name in (*_PAIRS, *_FLAGS)},
        # dbt has these only in the one form.
        **{f"--no-{name}": FLAG for name in _PAIRS},
        **{f"--{name}": ONE for name in _ONES},
        **{f"--{name}": MANY for name in _MANYS},
    }
)
#: Short forms, by the option that they stand for.
SHORT: Mapping[str, str] = MappingProxyType(
    {"-s": "--select", "-m": "--models", "-t": "--target", "-f": "--full-refresh", "-x": "--fail-fast", "-d": "--debug"}
    | {"-q": "--quiet", "-o": "--output"}
)
#: Options that a client may give if they say what the server says anyway; the server writes its own.
OWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--log-format": ("json",),
        "--log-level-file": ("none",),
        "--no-use-colors": (),
        "--no-send-anonymous-usage-stats": (),
        "--no-partial-parse": (),
        "--partial-parse": (),
    }
)
#: Options that are refused with a word about why.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "--profiles-dir": "the profile is the server's",
        "--profile": "the profile is the server's",
        "--target-path": "each invocation has a private target folder",
        "--log-path": "the log is read from the server",
        "--log-format-file": "the log is read from the server",
        "--log-level-file": "the log is read from the server",
        "--log-file-max-bytes": "the log is read from the server",
        "--state": "paths on the server are not a client's to name",
        "--defer-state": "paths on the server are not a client's to name",
        "--partial-parse-file-path": "paths on the server are not a client's to name",
        "--record-timing-info": "paths on the server are not a client's to name",
        "-r": "paths on the server are not a client's to name",
        "--inline": "what runs is the project's, not the client's",
        "--inline-direct": "what runs is the project's, not the client's",
        "--no-write-json": "the results are read from run_results.json",
        "--send-anonymous-usage-stats": "the server sends none",
    }
)
