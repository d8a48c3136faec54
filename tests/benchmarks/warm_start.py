"""A run of the driver in a fork of a process that has imported dbt: `warm_start.py DRIVER ARGUMENT...`.

Tells the CPU seconds and the peak memory (MB) of the fork alone.
"""

import json
import os
import runpy
import sys


def main() -> None:
    """Import, fork, run, tell."""
    import dbt.adapters.duckdb
    import dbt.cli.main
    import dbt.contracts.graph.manifest  # noqa: F401  what the driver imports; importing costs two thirds of a run

    child = os.fork()
    if child == 0:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")
        os._exit(99)
    _, status, usage = os.wait4(child, 0)
    print(json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
