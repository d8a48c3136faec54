"""The `venv` target of profiles.yml: a Python environment of its own. Its keys are dbt-af's, and `env`."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from dbt_af_k8s.config.fields import Flag, Section, Text
from dbt_af_k8s.config.problems import Finding, dotted, findings
from dbt_af_k8s.config.wording import quoted, shown
from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.pods.env import plain_secrets, read_env
from dbt_af_k8s.pods.values import VenvTarget

_VERSION = re.compile(r"3\.\d{1,2}(\.\d{1,2})?")
#: A variable of the worker in an index URL.
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class VenvWritten(Section):
    """A `venv` target. The order of the keys is that of the reference."""

    type: Annotated[Literal["venv"], Field(description="Says that the target is none of dbt's.")] = "venv"
    schema_: Annotated[Text | None, Field(alias="schema", description="For dbt, which wants one; unused here.")] = None
    requirements: Annotated[
        tuple[Text, ...], Field(description="What is installed, as in a requirements file: `pandas==2.2.3`.")
    ] = ()
    python_version: Annotated[
        Any, Field(description="Version of Python, in quotes: `'3.12'`. Left out: the one that Airflow runs on.")
    ] = None
    system_site_packages: Annotated[
        Flag, Field(description="Whether the script sees the packages of Airflow's Python as well.")
    ] = False
    pip_install_options: Annotated[tuple[Text, ...], Field(description="Options of `pip install`.")] = ()
    index_urls: Annotated[
        tuple[Text, ...],
        Field(
            description="Package indexes, the first is the main one. `${NAME}` is a variable of the worker: the place "
            "for a password, which no log shows."
        ),
    ] = ()
    inherit_env: Annotated[Flag, Field(description="Whether the script sees the worker's variables.")] = False
    env: Annotated[Any, Field(description="Variables; what is no text arrives as JSON.")] = None


def read_venv_target(output: Mapping[str, Any], *, name: str, file: str) -> tuple[VenvTarget | None, tuple[Issue, ...]]:
    """Read the output `name` of a profile, of type `venv`, rendered; `file` is for messages.

    None where an error is among the issues. Every problem is told, not only the first.
    """
    found: list[Finding] = []
    try:
        written = VenvWritten.model_validate(dict(output))
    except ValidationError as failed:
        found = findings(failed, VenvWritten)
        broken = {finding.path[0] for finding in found if finding.path}
        known = {field.alias or key for key, field in VenvWritten.model_fields.items()}
        right = {key: value for key, value in output.items() if key in known and key not in broken}
        written = VenvWritten.model_validate(right)
    found += _inside(written)
    env, wrong = read_env(written.env, ("env",))
    found += [*wrong, *_cluster_only(env, ("env",))]
    if found:
        return None, tuple(_told(finding, name, file) for finding in found)
    target = VenvTarget(
        name=name,
        requirements=written.requirements,
        python_version=written.python_version,
        system_site_packages=written.system_site_packages,
        pip_install_options=written.pip_install_options,
        index_urls=written.index_urls,
        inherit_env=written.inherit_env,
        env=tuple((variable["name"], variable["value"]) for variable in env),
    )
    return target, tuple(_warnings(target, env, name, file))


def venv_for_node(
    target: VenvTarget, env: Mapping[str, Any], *, node: str, file: str, place: str
) -> tuple[VenvTarget | None, tuple[Issue, ...]]:
    """The target with a node's variables over its own; `place` is where they stand, for messages."""
    given, found = read_env(env, ("env",))
    found += _cluster_only(given, ("env",))
    if found:
        keys = ((f"{place}.{dotted(finding.path)}", finding) for finding in found)
        return None, tuple(
            error("bad-venv-target", finding.message, finding.fix, file=file, node=node, key=key)
            for key, finding in keys
        )
    removed = {name for name, value in env.items() if value is None}
    own = {name: value for name, value in target.env if name not in removed}
    own |= {variable["name"]: variable["value"] for variable in given}
    values = {each: getattr(target, each) for each in VenvTarget.__dataclass_fields__}
    return VenvTarget(**{**values, "env": tuple(own.items())}), ()


def _inside(written: VenvWritten) -> Iterator[Finding]:
    version = written.python_version
    if version is not None and not (isinstance(version, str) and _VERSION.fullmatch(version)):
        message = f"`python_version` must be a version of Python 3 in quotes, found {shown(version)}."
        yield Finding(("python_version",), "wrong", message, "Write `python_version: '3.12'`.")
    for number, requirement in enumerate(written.requirements):
        if requirement.startswith("-") or "\n" in requirement:
            message = f"`requirements` holds {shown(requirement)}, which names no package."
            fix = "Write one package per entry; options belong to `pip_install_options`."
            yield Finding(("requirements", number), "wrong", message, fix)
    for number, url in enumerate(written.index_urls):
        if not re.match(r"(https?|file)://", url):
            message = f"`index_urls` holds an address without http:// or https:// (entry {number + 1})."
            yield Finding(("index_urls", number), "wrong", message, "Write the whole address of the index.")


def _cluster_only(env: tuple[dict[str, Any], ...], path: tuple[str, ...]) -> list[Finding]:
    fix = "Write a value, or set the variable on the worker and write `inherit_env: true`."
    return [
        Finding(
            (*path, variable["name"]),
            "wrong",
            f"`{variable['name']}` has `valueFrom`, which only a cluster can fill.",
            fix,
        )
        for variable in env
        if "valueFrom" in variable
    ]


def _warnings(target: VenvTarget, env: tuple[dict[str, Any], ...], name: str, file: str) -> Iterator[Issue]:
    for number, url in enumerate(target.index_urls):
        password = urlsplit(url).password
        if password and not REFERENCE.fullmatch(password):
            message = "An address in `index_urls` holds a password in plain text."
            fix = "Write `${NAME}` in its place, and set the variable on the worker."
            at = f"outputs.{name}.index_urls[{number}]"
            yield warning("secret-in-plain-text", message, fix, file=file, key=at)
    for variable in plain_secrets(env):
        message = f"The variable {quoted(variable)} sounds secret, and stands in the plan as plain text."
        fix = "Set it on the worker, and write `inherit_env: true`."
        yield warning("secret-in-plain-text", message, fix, file=file, key=f"outputs.{name}.env.{variable}")


def _told(finding: Finding, name: str, file: str) -> Issue:
    code = "unknown-venv-key" if finding.kind == "unknown" else "bad-venv-target"
    key = f"outputs.{dotted((name, *finding.path))}"
    return error(code, finding.message, finding.fix, file=file, key=key)
