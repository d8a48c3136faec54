"""What is called when something happens: a line in the control folder, from whichever process it is."""

import os
from pathlib import Path


def say(what: str, of: str) -> None:
    """Note that something has happened. Several processes write: one short line at a time."""
    with (Path(os.environ["WAIT_CONTROL"]) / "alarms.txt").open("a") as stream:
        stream.write(f"{what}: {of}\n")


async def late(**arguments: object) -> None:
    """What the deadline calls, in the triggerer."""
    context = arguments["context"]
    assert isinstance(context, dict)
    say(f"late for {arguments['whom']}", context["dag_run"]["dag_id"])
