"""Environment variables as users write them, and as Kubernetes does."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import Finding, dotted
from dbt_af_k8s.config.wording import listed, quoted, shown
from dbt_af_k8s.k8s.check import Path, check_object
from dbt_af_k8s.k8s.names import is_variable
from dbt_af_k8s.k8s.secret_names import sounds_secret

#: Longest `NAME=value` that Linux hands to a process, in bytes: 32 pages less the zero at the end.
LONGEST_VARIABLE = 32 * 4096 - 1
#: Variables that the run fills.
OWN_VARIABLES = ("MODEL_CONFIG_B64", "DAG_RUN_CONF", "START_DTTM", "END_DTTM")
#: What the names of our other variables begin with.
OWN_PREFIX = "DBT_AF_"
#: The ways in which Kubernetes can fill a variable.
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def is_own_variable(name: str) -> bool:
    """Whether the run fills a variable of that name."""
    return name in OWN_VARIABLES or name.startswith(OWN_PREFIX)


def env_text(value: Any) -> str:
    """A value as a variable holds it: text as it is, everything else as JSON (`true`, `5`, `{"a":1}`)."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def literal(text: str) -> str:
    """A text that Kubernetes shall not look for `$(NAME)` in: it halves a doubled dollar sign, and nothing else."""
    return text.replace("$", "$$")


def variable_size(name: str, value: str) -> int:
    """Bytes of `NAME=value`."""
    return len(f"{name}={value}".encode("utf-8", "surrogatepass"))


def env_mapping(written: Any) -> Any:
    """Both forms as a mapping by name; what is neither comes back as it is."""
    if not isinstance(written, list | tuple):
        return {} if written is None else written
    if not all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in written):
        return written
    return {item["name"]: _of_list(item) for item in written}


def _of_list(item: Mapping[str, Any]) -> Any:
    rest = {key: value for key, value in item.items() if key != "name"}
    return rest.get("value", "") if not rest or set(rest) == {"value"} else rest


def read_env(written: Any, path: Path) -> tuple[tuple[dict[str, Any], ...], list[Finding]]:
    """The variables as Kubernetes writes them, in the order given, and what is wrong with the others."""
    mapping = env_mapping(written)
    if not isinstance(mapping, Mapping):
        fix = "Write `NAME: value` below it, or Kubernetes' list of `name` and `value`."
        message = f"`{dotted(path)}` must be a mapping of variables, found {shown(written)}."
        return (), [Finding(path, "wrong", message, fix, True)]
    found: list[Finding] = []
    env: list[dict[str, Any]] = []
    if isinstance(written, list | tuple) and len(mapping) < len(written):
        message = f"`{dotted(path)}` names one variable twice."
        found.append(Finding(path, "wrong", message, "Remove one of the two entries."))
    for name, value in mapping.items():
        wrong = list(_check_name(name, path)) or list(_check_value(name, value, (*path, str(name))))
        found += wrong
        if not wrong and value is not None:
            env.append({"name": name, **_entry(value)})
    return tuple(env), found


def plain_secrets(env: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """Names of variables that sound secret and whose value stands in the pod as plain text."""
    for variable in env:
        if variable.get("value") and sounds_secret(str(variable["name"])):
            yield str(variable["name"])


def _entry(value: Any) -> dict[str, Any]:
    return {"valueFrom": value["valueFrom"]} if _is_reference(value) else {"value": env_text(value)}


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and "valueFrom" in value


def _check_name(name: Any, path: Path) -> Iterator[Finding]:
    if not isinstance(name, str) or not is_variable(name):
        message = f"A variable cannot be called {quoted(name) if isinstance(name, str) else shown(name)}."
        fix = "Use letters, digits and underscores, and begin with no digit."
        yield Finding((*path, str(name)), "wrong", message, fix)
    elif is_own_variable(name):
        message = f"The variable `{name}` is filled by the run itself."
        yield Finding((*path, name), "wrong", message, "Give yours another name.")


def _check_value(name: str, value: Any, path: Path) -> Iterator[Finding]:
    if _is_reference(value):
        yield from _check_reference(value, path)
        return
    text = env_text(value)
    if "\0" in text:
        yield Finding(path, "wrong", f"`{name}` holds a zero byte, which no variable can.", "Write it in base64.")
    size = variable_size(name, text)
    if size > LONGEST_VARIABLE:
        message = f"`{name}` has {size} bytes; Linux takes at most {LONGEST_VARIABLE} for a variable."
        yield Finding(path, "wrong", message, "Mount a ConfigMap or Secret as a file.")


def _check_reference(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for key in value:
        if key != "valueFrom":
            message = f"{quoted(str(key))} cannot stand beside `valueFrom`."
            yield Finding((*path, str(key)), "unknown", message, "Remove one of the two.")
    source = value["valueFrom"]
    at = (*path, "valueFrom")
    wrong = list(check_object(source, "EnvVarSource", at))
    yield from wrong
    if not wrong and len([key for key in source if source[key] is not None]) != 1:
        message = f"`{dotted(at)}` must have exactly one source."
        yield Finding(at, "wrong", message, f"Write one of {listed(_SOURCES)}.")
