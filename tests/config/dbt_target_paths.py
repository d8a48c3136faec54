"""dbt's own answer to where it writes, for each line of standard input: `{"root": folder, "env": {...}}`."""

import contextlib
import json
import os
import sys

from dbt.cli.flags import Flags
from dbt.cli.types import Command
from dbt.config.runtime import load_profile, load_project
from dbt.flags import set_flags
from dbt_common.context import set_invocation_context

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what dbt itself prints
bare = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
for line in sys.stdin:
    case = json.loads(line)
    os.environ.clear()
    os.environ.update(bare | case["env"])
    answer = None
    with contextlib.suppress(Exception):
        set_flags(Flags.from_dict(Command.PARSE, {"project_dir": case["root"], "profiles_dir": case["root"]}))
        set_invocation_context(dict(os.environ))
        answer = load_project(case["root"], False, load_profile(case["root"], {}), {}).project_target_path
    print(json.dumps(answer), file=answers, flush=True)
