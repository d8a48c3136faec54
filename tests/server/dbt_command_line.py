"""Read the command line of a dbt program: `python dbt_command_line.py PROGRAM` prints its version and its options.

An option is `flag`, `one` or `many` by what follows it; `path` where dbt 1.x takes one value for a path.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

#: For the Python of a dbt 1.x.
ASK_CLICK = """
import json
from dbt.cli.main import cli
from dbt.version import __version__
found = {}
def look(command, words):
    below = getattr(command, "commands", {})
    if words and not below:
        row = found.setdefault(" ".join(words), {})
        for each in command.params:
            if hasattr(each, "is_flag"):
                kind = "flag" if each.is_flag else "many" if type(each).__name__ == "MultiOption" else "one"
                kind = "path" if kind == "one" and type(each.type).__name__ == "Path" else kind
                row |= {name: kind for name in (*each.opts, *each.secondary_opts) if name.startswith("-")}
    for name, each in below.items():
        look(each, (*words, name))
look(cli, ())
print(json.dumps([".".join(__version__.split(".")[:2]), found]))
"""


def main(program: str) -> None:
    with Path(program).open("rb") as stream:
        first = stream.readline()
    if first.startswith(b"#!"):
        interpreter = first[2:].decode().split()[0]
        read = subprocess.run([interpreter, "-c", ASK_CLICK], capture_output=True, text=True, check=True)
        version, found = json.loads(read.stdout)
    else:
        (version,) = re.findall(r"(\d+\.\d+)\.\d+", said(program, "--version"))[:1]
        found = {}
        look(program, (), found)
    print(json.dumps([version, {verb: dict(sorted(found[verb].items())) for verb in sorted(found)}]))


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def look(program: str, words: tuple[str, ...], found: dict[str, dict[str, str]]) -> None:
    """The options of a verb of dbt 2, out of its help, and those of the verbs below it."""
    below, options = [], {}
    for line in said(program, *words, "--help").splitlines():
        if (verb := re.match(r"  ([a-z][a-z-]*)(\s|$)", line)) is not None:
            below.append(verb[1])
        elif (option := re.match(r"\s+((?:-\w, )?--[\w-]+|-\w)(.*)$", line)) is not None:
            value = option[2].strip().split("  ")[0]
            kind = "flag" if not value.startswith(("<", "[<")) else "many" if "..." in value else "one"
            options |= dict.fromkeys(option[1].split(", "), kind)
    below = [verb for verb in below if verb != "help"]
    if words and not below:
        found[" ".join(words)] = options
    for verb in below:
        look(program, (*words, verb), found)


if __name__ == "__main__":
    main(sys.argv[1])
