"""The same script as a process of this machine: for a laptop without a cluster. No pod is made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dbt_af_k8s.pods.manifest import contract_env
from dbt_af_k8s.pods.payload import BOOTSTRAP, RESULT_FILE, SCRIPT, packed_script, planned_env, run_env
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, PodRun, VenvTarget

_EXPANSION = re.compile(r"\$\$|\$\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class LocalScript:
    """A process that does what the pod would do."""

    #: Arguments of the Python program.
    args: tuple[str, ...]
    #: Variables on top of those that the process has anyway, as pairs sorted by name.
    env: tuple[tuple[str, str], ...]
    #: Names of variables that only a cluster can fill (`valueFrom`); here they have the value of the machine, if any.
    only_in_cluster: tuple[str, ...]


def local_script(target: KubernetesTarget, payload: Payload, run: PodRun, *, result_file: str | None) -> LocalScript:
    """The process for a run; `result_file` is a path on this machine, None: the result goes nowhere.

    The script is that of the payload, wherever the pod would have it from; image, volumes and `env_from` play no part.
    """
    env = dict(contract_env(target, payload, run))
    env.pop(RESULT_FILE, None)
    env[SCRIPT] = packed_script(payload)
    if result_file is not None and target.xcom:
        env[RESULT_FILE] = result_file
    only_in_cluster = []
    for variable in target.env:
        name = str(variable["name"])
        if "valueFrom" in variable:
            only_in_cluster.append(name)
        else:
            env[name] = expanded(str(variable["value"]), env)
    return LocalScript(("-c", BOOTSTRAP), tuple(sorted(env.items())), tuple(sorted(only_in_cluster)))


def venv_script(target: VenvTarget, payload: Payload, run: PodRun, *, result_file: str) -> LocalScript:
    """The process for a run in a Python environment of its own: the same contract as in a pod."""
    env = dict((*planned_env(payload), *run_env(run)))
    env |= {SCRIPT: packed_script(payload), RESULT_FILE: result_file, "PYTHONUNBUFFERED": "1"}
    env |= {name: text for name, text in target.env if name not in env}
    return LocalScript(("-c", BOOTSTRAP), tuple(sorted(env.items())), ())


def expanded(text: str, known: Mapping[str, str]) -> str:
    """A value as Kubernetes hands it to a container: `$(NAME)` of a known variable replaced, `$$` halved.

    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else known.get(found[1], found[0])

    return _EXPANSION.sub(value, text)
