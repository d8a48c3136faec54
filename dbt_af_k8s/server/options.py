"""Which options of dbt a client may give, as a table: a row for each option of dbt's verbs. Pure.

A test walks dbt's own command line (1.11, 1.12 and 2) and fails for an option that is in no row. Rows of `ALLOWED` say
for which verbs, and what may follow; `REFUSED` says why not: what decides where dbt reads and writes, who it is, what
it runs besides the project, and how the server reads its output.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dbt_af_k8s.server.option_kinds import (
    Kind,
    choice,
    data,
    flag,
    keys,
    moment,
    name_of,
    number,
    short_text,
    terms,
)

#: Commands of dbt that the settings may allow, each with its words.
OFFERED_VERBS = (
    "build",
    "compile",
    "docs generate",
    "list",
    "ls",
    "parse",
    "run",
    "run-operation",
    "seed",
    "show",
    "snapshot",
    "source freshness",
    "test",
)
#: Those that a client may use where the settings name none: they change nothing but the warehouse, as the project says.
#: Of `run-operation` that is our own maintenance, and what `projects.<name>.macros` names.
DEFAULT_VERBS = tuple(verb for verb in OFFERED_VERBS if verb != "show")
#: Those that the server can never run: they change the project, serve, or need the target folder of an earlier run.
NEVER_VERBS = (
    "clean",
    "clone",
    "debug",
    "deps",
    "docs serve",
    "init",
    "login status",
    "man",
    "retry",
    "source snapshot-freshness",
    "system install-drivers",
)
VERBS = tuple(sorted((*OFFERED_VERBS, *NEVER_VERBS)))

_EVERY = OFFERED_VERBS
_SELECTING = tuple(verb for verb in OFFERED_VERBS if verb not in ("parse", "run-operation"))
_LISTING = ("list", "ls")


@dataclass(frozen=True, slots=True)
class Row:
    """An option that some verbs take."""

    kind: Kind
    verbs: tuple[str, ...]


def _rows(kind: Kind, verbs: tuple[str, ...], *names: str) -> Iterator[tuple[str, Row]]:
    for name in names:
        yield f"--{name}", Row(kind, verbs)


def _pairs(verbs: tuple[str, ...], *names: str) -> Iterator[tuple[str, Row]]:
    """Flags that have a `--no-` form."""
    for name in names:
        yield from _rows(flag(), verbs, name, f"no-{name}")


_TABLE: tuple[tuple[str, Row], ...] = (
    *_pairs(_EVERY, "cache-selected-only", "debug", "defer", "fail-fast", "favor-state", "populate-cache", "print"),
    *_pairs(_EVERY, "quiet", "show-all-deprecations", "single-threaded", "static-parser", "use-fast-test-edges"),
    *_pairs(_EVERY, "version-check"),
    *_pairs(("build", "compile", "run", "snapshot"), "empty"),
    *_pairs(("build",), "export-saved-queries", "include-saved-query"),
    *_pairs(("compile", "show"), "introspect"),
    *_pairs(("compile",), "inject-ephemeral-ctes"),
    # `write-json` is what the server says anyway; a command that says it, too, wants the whole `manifest.json`, so it
    # does not start from slices.
    *_rows(flag(), _EVERY, "warn-error", "write-json"),
    *_rows(flag(), ("docs generate",), "compile", "no-compile", "empty-catalog", "static"),
    *_rows(flag(), ("build", "compile", "run", "seed", "show"), "full-refresh"),
    *_rows(flag(), ("build", "seed"), "show"),
    *_rows(flag(), ("build", "test"), "store-failures"),
    *_rows(terms(), _SELECTING, "select", "exclude", "model", "models"),
    *_rows(name_of("a selector"), _SELECTING, "selector"),
    *_rows(choice("eager", "cautious", "buildable", "empty"), _EVERY, "indirect-selection"),
    *_rows(name_of("a target"), _EVERY, "target"),
    *_rows(data(), _EVERY, "vars", "warn-error-options"),
    *_rows(data(), ("run-operation",), "args"),
    *_rows(choice("debug", "info", "warn", "error", "none"), _EVERY, "log-level"),
    *_rows(number(20, 1000), _EVERY, "printer-width"),
    *_rows(number(1, 256), tuple(verb for verb in _EVERY if verb not in _LISTING), "threads"),
    *_rows(number(1, 10_000), ("show",), "limit"),
    *_rows(moment(), ("build", "run"), "event-time-start", "event-time-end"),
    *_rows(short_text(), ("build", "run"), "sample"),
    *_rows(keys(), (*_LISTING, "build", "test"), "resource-type", "resource-types"),
    *_rows(keys(), (*_LISTING, "build", "test"), "exclude-resource-type", "exclude-resource-types"),
    *_rows(keys(), _LISTING, "output-keys"),
    # Of `source freshness` it is a path, and refused.
    *_rows(choice("json", "name", "path", "selector", "text"), (*_LISTING, "compile", "show"), "output"),
)
#: Option -> its row.
ALLOWED: Mapping[str, Row] = MappingProxyType(dict(_TABLE))
#: Short forms, by the option that they stand for.
SHORT: Mapping[str, str] = MappingProxyType(
    {"-s": "--select", "-m": "--models", "-t": "--target", "-f": "--full-refresh", "-x": "--fail-fast", "-d": "--debug"}
    | {"-q": "--quiet"}
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
#: Why an option is refused, and which.
_REFUSED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "the profile is the server's": ("--profiles-dir", "--profile"),
        "each invocation has a private target folder": ("--target-path", "--metadata-dir", "--index-dir", "-o"),
        "the log is read from the server": (
            "--log-path",
            "--log-format-file",
            "--log-file-max-bytes",
            "--log-cache-events",
            "--no-log-cache-events",
            "--otel-file-name",
            "--otel-parquet-file-name",
            "--use-colors",
            "--use-colors-file",
            "--no-use-colors-file",
            "--invocation-id",
            "--parent-span-id",
            "--snowflake-projects-otel",
            "--no-snowflake-projects-otel",
            "--hints-enabled",
            "--no-hints-enabled",
        ),
        "paths on the server are not a client's to name": (
            "--state",
            "--defer-state",
            "--deprecated-state",
            "--partial-parse-file-path",
            "--record-timing-info",
            "-r",
            "--packages-install-path",
            "--sampled",
            "--with-sample",
        ),
        "what runs is the project's, not the client's": ("--inline", "--inline-direct", "--sql"),
        "how dbt reads the project is the server's": (
            "--macro-debugging",
            "--no-macro-debugging",
            "--partial-parse-file-diff",
            "--no-partial-parse-file-diff",
            "--use-experimental-parser",
            "--no-use-experimental-parser",
            "--use-v2-parser",
            "--no-use-v2-parser",
            "--v2-parser",
            "--sqlparse",
            "--maximum-seed-size-mib",
            "--static-analysis",
            "--use-v2-compatible-package-downloads",
            "--dirty",
            "--unchecked",
            "--check-all",
            "--force-node-selection",
        ),
        "where dbt computes and keeps its state is the server's": (
            "--compute",
            "--host",
            "--port",
            "--run-cache-mode",
            "--manage-state",
            "--no-manage-state",
        ),
        "the results are read from run_results.json": ("--no-write-json",),
        "the server keeps the files that dbt writes by itself": (
            "--write-catalog",
            "--write-index",
            "--write-lineage",
            "--write-metadata",
        ),
        "the server sends none": (
            "--send-anonymous-usage-stats",
            "--upload-to-artifacts-ingest-api",
            "--no-upload-to-artifacts-ingest-api",
        ),
        "dbt has newer words for it": (
            "--deprecated-defer",
            "--deprecated-favor-state",
            "--deprecated-print",
            "--deprecated-no-print",
        ),
        "it runs nothing": ("--help", "-h", "--version", "-V", "-v"),
    }
)
#: Option -> why it is refused.
REFUSED: Mapping[str, str] = MappingProxyType({name: why for why, names in _REFUSED.items() for name in names})
