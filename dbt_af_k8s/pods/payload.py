"""The script of a node and everything it is told: what travels into the pod, or into a local process.

The contract of the variables `MODEL_CONFIG_B64`, `DAG_RUN_CONF`, `START_DTTM` and `END_DTTM` is dbt-af's.
"""

import base64
import importlib.util
import json
import zlib
from collections.abc import Mapping
from importlib.abc import InspectLoader
from typing import Any

from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.manifest.values import Manifest, Node
from dbt_af_k8s.names import node_name
from dbt_af_k8s.pods.env import LONGEST_VARIABLE, variable_size
from dbt_af_k8s.pods.values import Payload, PodRun

#: Variable that holds the packed script, and the one that names a file which does.
SCRIPT, SCRIPT_FILE = "DBT_AF_SCRIPT", "DBT_AF_SCRIPT_FILE"
#: Variable that says where a result goes; not there where XCom is off.
RESULT_FILE = "DBT_AF_RESULT_FILE"
#: Airflow's file for the result of a pod.
XCOM_FILE = "/airflow/xcom/return.json"
#: Most bytes of the data of a ConfigMap (Kubernetes).
LARGEST_CONFIG_MAP = 1024 * 1024
#: Under this name a script imports `PodContext`.
CONTEXT_MODULE = "dbt_af_k8s_pod"

#: Starts the script, on any Python 3 and without a shell: in the process itself, so that signals, exit codes and
#: tracebacks are the script's own, and from a file, if one can be written, so that it can start processes of its own.
#: As process 1 it would not hear SIGTERM without a handler; below our own process 1 it ends alike (`supervise`).
BOOTSTRAP = """\
def _dbt_af_k8s_start():
    import atexit, base64, json, linecache, os, shutil, signal, sys, tempfile, traceback, types, zlib
    text = os.environ.pop("DBT_AF_SCRIPT", None)
    if text is None:
        with open(os.environ["DBT_AF_SCRIPT_FILE"]) as packed:
            text = packed.read()
    file, source, name, module = json.loads(zlib.decompress(base64.b64decode(text.encode())).decode("utf-8"))
    def write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(text.encode("utf-8"))
    try:
        folder = tempfile.mkdtemp(prefix="dbt-af-k8s-")
        path = os.path.join(folder, *file.split("/"))
        write(path, source)
        write(os.path.join(folder, name + ".py"), module)
    except OSError:
        path = file
        linecache.cache[path] = (len(source), None, source.splitlines(True), path)
        sys.excepthook = lambda *failure: traceback.print_exception(*failure)
        made = types.ModuleType(name)
        sys.modules[name] = made
        try:
            exec(compile(module, name + ".py", "exec", dont_inherit=True), made.__dict__)
        except (ImportError, SyntaxError):
            del sys.modules[name]
    else:
        owner = os.getpid()
        atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, True))
        sys.path.append(folder)
        globals()["__file__"] = path
    if 1 in (os.getpid(), os.getppid()):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.argv[:] = [path]
    return compile(source, path, "exec", dont_inherit=True)


exec(_dbt_af_k8s_start())
"""


def payload_of(node: Node, manifest: Manifest, source: str) -> Payload:
    """The payload of a node; `source` is the text of its file."""
    refs = relations(node, manifest)
    name = node_name(node.name, node.version)
    return Payload(node.unique_id, name, node.file, source, node.config, refs, node.relation_name)


def relations(node: Node, manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """The relations of all that a node refs or sources, by the name that its code uses, as pairs sorted by name.

    A model is `orders`, its second version `orders.v2`, a source `shop.raw_orders`. A model of another package is there
    under `package.orders` as well, and alone there if a model of the node's own package has its name.
    What has no relation (an ephemeral model) is left out.
    """
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    for parent in node.parents:
        if (source := manifest.sources.get(parent)) is not None:
            if source.relation_name:
                own[f"{source.source_name}.{source.name}"] = source.relation_name
            continue
        other = manifest.nodes.get(parent)
        if other is None or not other.relation_name or other.is_ephemeral:
            continue
        name = node_name(other.name, other.version)
        if other.package == node.package:
            own[name] = other.relation_name
        else:
            own[f"{other.package}.{name}"] = other.relation_name
            others.setdefault(name, other.relation_name)
    return tuple(sorted((others | own).items()))


def packed_script(payload: Payload) -> str:
    """The script with its file's name and the module of `PodContext`, compressed, as text; the same for the same."""
    parts = [_inner_path(payload.file), payload.source, CONTEXT_MODULE, source_of("dbt_af_k8s.pods.context")]
    return base64.b64encode(zlib.compress(json.dumps(parts).encode(), 9)).decode("ascii")


def planned_env(payload: Payload) -> tuple[tuple[str, str], ...]:
    """The variables that are known when planning, the script's own left out, as pairs of plain text."""
    config = json.dumps(payload.config, sort_keys=True, default=str)
    this = (("DBT_AF_THIS", payload.this),) if payload.this else ()
    return (
        ("DBT_AF_NODE", payload.node),
        ("DBT_AF_REFS", _json(dict(payload.refs))),
        *this,
        ("MODEL_CONFIG_B64", base64.b64encode(config.encode()).decode("ascii")),
    )


def run_env(run: PodRun) -> tuple[tuple[str, str], ...]:
    """The variables that are known when the run starts, as pairs of plain text. ValueError for a time without zone."""
    for moment in (run.start, run.end):
        if moment.utcoffset() is None:
            raise ValueError(f"the data interval needs a time zone: {moment.isoformat()}")
    return (
        ("DAG_RUN_CONF", json.dumps(run.conf, default=str)),
        ("END_DTTM", run.end.isoformat()),
        ("START_DTTM", run.start.isoformat()),
    )


def too_large_conf(conf: Mapping[str, Any]) -> str | None:
    """Why a run with this configuration cannot start a pod, in one line with what to do; None where it can."""
    size = variable_size("DAG_RUN_CONF", json.dumps(conf, default=str))
    if size <= LONGEST_VARIABLE:
        return None
    return (
        f"The run configuration has {size} bytes as JSON; a variable of a pod holds at most {LONGEST_VARIABLE}. "
        "Put the data into a table or a bucket, and its name into the configuration."
    )


def payload_issues(payload: Payload, script_from: str) -> tuple[Issue, ...]:
    """What of a payload does not fit into a pod, each with the alternatives. `script_from` is that of the target."""
    issues = []
    where = {"file": payload.file, "node": payload.node}
    script = packed_script(payload)
    if script_from == "env" and (size := variable_size(SCRIPT, script)) > LONGEST_VARIABLE:
        message = f"The script has {size} bytes when compressed; a variable of a pod holds at most {LONGEST_VARIABLE}."
        fix = (
            "Write `script_from: config_map` (up to 1 MiB, made with the pod and owned by it), or put the script into "
            "the image and write `script_from: image` with `script_path`."
        )
        issues.append(error("script-too-large", message, fix, **where))
    if script_from == "config_map" and len(script) > LARGEST_CONFIG_MAP:
        message = f"The script has {len(script)} bytes when compressed; a ConfigMap holds at most {LARGEST_CONFIG_MAP}."
        fix = "Put the script into the image and write `script_from: image` with `script_path`."
        issues.append(error("script-too-large", message, fix, **where))
    fixes = {
        "MODEL_CONFIG_B64": "Keep large values out of the model's config and `meta`: in a file of the image.",
        "DBT_AF_REFS": "The script refs more tables than a variable can name; split it.",
    }
    for name, value in planned_env(payload):
        size = variable_size(name, value)
        if size > LONGEST_VARIABLE:
            message = f"`{name}` has {size} bytes; a variable of a pod holds at most {LONGEST_VARIABLE}."
            issues.append(error("payload-too-large", message, fixes.get(name, "Shorten the name."), **where))
    return tuple(issues)


def _inner_path(file: str) -> str:
    """The file's path as one below the folder that the bootstrap makes."""
    parts = [part for part in file.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "script.py"


def source_of(name: str) -> str:
    """The text of a module of this package, from the import system, which has it wherever the package lies."""
    spec = importlib.util.find_spec(name)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        raise ImportError(f"{name} is not there")
    source = spec.loader.get_source(name)
    if source is None:
        raise ImportError(f"{name} is there without its source")
    return source


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
