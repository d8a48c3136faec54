"""Runs the driver many times from one process that has imported dbt: each run is a fork, so none meets another.

`python warm_driver.py DRIVER`, with one JSON line per run on standard input: `{"argv", "cwd", "env", "output"}`. Writes
the exit code of each run as a line.
"""

import json
import os
import runpy
import sys


def main() -> None:
    # What the driver imports; importing costs two thirds of a run.
    import dbt.adapters.duckdb
    import dbt.cli.main
    import dbt.contracts.graph.manifest  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            run(job)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(job: dict) -> None:
    """Become a run of the driver; it never returns."""
    try:
        target = os.open(job["output"], os.O_WRONLY | os.O_CREAT)
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.environ.clear()
        os.environ.update(job["env"])
        os.chdir(job["cwd"])
        sys.argv = [sys.argv[1], *job["argv"]]
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        os._exit(99)


if __name__ == "__main__":
    main()
