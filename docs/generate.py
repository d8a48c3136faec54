"""`make docs`: write the reference pages that the code itself can tell, and check every link.

The settings come from `dbt_af_k8s.config.schema`, the command line from its own help, the issue codes from the source.
A test compares the pages in the repository with what this program writes.
"""

import json
import sys
from collections.abc import Callable, Mapping

import yaml
from issue_codes import find_codes
from pages import DOCS, ROOT, all_pages, broken_links

_MADE = "<!-- made by docs/generate.py; `make docs` writes it again -->\n\n"
_NODE_PART = "# Node settings\n"


def settings_page() -> str:
    """`reference/settings.md`."""
    from dbt_af_k8s.config.schema import settings_reference

    text = settings_reference().partition(_NODE_PART)[0].rstrip()
    heading = f"# Settings\n\n{_SCHEMA_HINT}"
    return f"{_MADE}{text.replace('# Settings', heading, 1)}\n"


def node_settings_page() -> str:
    """`reference/node-settings.md`."""
    from dbt_af_k8s.config.schema import keys_reference, settings_reference
    from dbt_af_k8s.jobs.written import NodeJobWritten
    from dbt_af_k8s.pods.written import NodePodWritten

    text = settings_reference().partition(_NODE_PART)[2].strip()
    parts = [f"{_MADE}{_NODE_PART}\n{_WHERE_NODE_SETTINGS}\n\n{text}\n\n{_HOW_FAR}\n"]
    for model, title in ((NodePodWritten, "kubernetes"), (NodeJobWritten, "kubernetes_job")):
        head = f"## `kubernetes`, on a target of type `{title}`"
        table = keys_reference(model).partition("\n\n## ")[0].replace("## Top level", head, 1)
        parts.append(f"\n{table.rstrip()}\n")
    return "".join(parts)


_SCHEMA_HINT = """\
Put `# yaml-language-server: $schema=...` with the path of [settings.schema.json](settings.schema.json) on the first
line, and an editor that knows JSON schema checks the file while you write."""
_WHERE_NODE_SETTINGS = """\
For each setting the first place that has it wins: `config.meta.dbt_af_k8s`, then `config.meta`, then bare `config`
(dbt-af's way; newer versions of dbt warn of it, or refuse it, with some adapters). `node_settings.places` of the
[settings](settings.md) changes the order; `node_settings.ignore` names keys that mean something else in your project.

In `dbt_project.yml`, `+meta` gives them to a whole folder. dbt merges `meta` key by key, and the more special one wins.

A key of `meta.dbt_af_k8s` that is not known is an error. The other two places are shared with other tools, so there a
value whose shape cannot be meant for us is passed over with a warning."""

_HOW_FAR = """\
## How far they reach

A node's settings shape its work: resources, image, variables, machines, how its end is awaited. Where it runs, which
files of a
worker are read and written, and as whom something is done belongs to profiles.yml and the
[settings](settings.md); a node that says something of it is an error that names the key.

- **`kubernetes`** takes the keys below. Labels and annotations with a prefix speak to controllers of the cluster, so
  a node may
  use only those of `app.kubernetes.io`, `kueue.x-k8s.io`, `karpenter.sh` and `cluster-autoscaler.kubernetes.io`; a
  volume claim
  cannot have `keep`.
- **`env`**, here and in `kubernetes`, cannot take a Secret (`secretKeyRef`). Where the work is a process of the
  worker (dbt, a
  script in a virtual environment) it cannot set what decides which code, profile or connection is used: `PATH`,
  `HOME`, `LD_*`,
  `PYTHON*`, `PIP_*`, `UV_*`, `GIT_*`, `AIRFLOW*`, `KUBECONFIG`, `DBT_PROFILES_DIR`, `DBT_TARGET`, ...
- **`runner`** names a runner. A node changes `pod` (by the keys below, but those about scripts) of the runners in
  pods, and `poke`,
  `request_timeout`, `patience` and `deferrable` of `dbt_api`. All else is that of the first row of `runners` with
  that runner.
- **`executor_config`** takes `pod_override` with labels and annotations as above, `nodeSelector`, `tolerations`,
  `affinity`,
  `topologySpreadConstraints`, `priorityClassName`, and the `resources` of its containers. A row of `tasks` can say
  all else.
- **No text of a node is an Airflow template**, and the template of a node's job knows neither `conn` nor `var`."""


def one_time_jobs_page() -> str:
    """`reference/one-time-jobs.md`."""
    from dbt_af_k8s.config.schema import keys_reference
    from dbt_af_k8s.plan.one_time.written import OneTimeWritten

    return f"{_MADE}{_ONE_TIME_HEAD}\n{keys_reference(OneTimeWritten)}\n{_ONE_TIME_TEMPLATE}\n"


_ONE_TIME_HEAD = """\
# One-time jobs

The keys of the file that `dbt-af-k8s backfill render`, `submit` and `run` take, conventionally `backfill.yml`. How
they are used is told in [One-time jobs](../how-to/one-time-jobs.md). A key that is not known is an error.
"""
_ONE_TIME_TEMPLATE = """\
## What a template gets

`--template` names a Jinja template in place of ours. It runs in a sandbox, sees the templates in its own folder and
ours, as `job.yaml.j2`, and must make one ConfigMap and one Job. Names that are not in this list are errors.

| name | holds |
|---|---|
| `name` | of the Job and the ConfigMap, with its suffix |
| `namespace` | or nothing |
| `labels`, `annotations` | ours, the tags, and those of `job` |
| `image` | with its tag or digest |
| `command` | the words, with the path of the configuration |
| `config` | `folder` (where the ConfigMap is to be mounted), `file` (its key), `text` (the configuration) |
| `airflow` | `url`, `secret` (each may be nothing), `folder` (where the Secret is to be mounted) |
| `resources` | `requests` and `limits` |
| `env`, `env_from`, `tolerations` | lists, as Kubernetes writes them |
| `node_selector` | a mapping |
| `service_account`, `image_pull_policy`, `active_deadline` | each may be nothing |
| `image_pull_secrets` | names |
| `ttl` | seconds |
| `security_defaults` | whether ours are wanted |
| `config_version`, `tags`, `dag_id`, `runs` | for your own labels; `runs` is their number |

The filter `to_yaml` writes any value on one line so that YAML reads it back. Blocks of ours that a template may
replace: `job_spec`, `pod_spec`, `container`, `mounts`, `volumes`. What comes out is checked field by field against
Kubernetes' own schema, and the ConfigMap, its name and its mount against each other, before anything is written."""


def schema_file() -> str:
    """`reference/settings.schema.json`."""
    from dbt_af_k8s.config.schema import settings_json_schema

    return json.dumps(settings_json_schema(), indent=2) + "\n"


def command_line_page() -> str:
    """`reference/command-line.md`."""
    from dbt_af_k8s.cli.reference import reference_markdown

    return _MADE + reference_markdown()


def issue_meanings() -> dict[str, dict[str, str]]:
    """What a person wrote about each code: `wrong`, `fix`, and `severity` where the source leaves it open."""
    found: dict[str, dict[str, str]] = yaml.safe_load((DOCS / "issue_meanings.yml").read_text(encoding="utf-8"))
    return found


def issue_codes_page() -> str:
    """`reference/issue-codes.md`."""
    severities = find_codes(ROOT / "dbt_af_k8s").severities
    meanings = issue_meanings()
    lines = [
        "# Issue codes",
        "",
        "Every problem that the library tells has a code. Codes are stable; messages may get better words. An error",
        "makes `dbt-af-k8s check` and `plan` end with exit code 1, a warning does not. What an error breaks is told",
        "in [Broken domains](../explanation/broken-domains.md).",
        "",
        "| code | severity | what is wrong | what to do |",
        "|---|---|---|---|",
    ]
    for code in sorted(severities):
        meaning = meanings.get(code, {"wrong": "", "fix": ""})
        how_bad = meaning.get("severity") or " or ".join(sorted(severities[code]))
        lines.append(f"| `{code}` | {how_bad} | {meaning['wrong']} | {meaning['fix']} |")
    return _MADE + "\n".join(lines) + "\n"


def server_settings_page() -> str:
    """`reference/server-settings.md`."""
    from dbt_af_k8s.server.read_settings import server_settings_reference

    return _MADE + server_settings_reference()


def server_api_page() -> str:
    """`reference/server-api.md`."""
    from dbt_af_k8s.server.description import describe
    from dbt_af_k8s.server.openapi_text import openapi_markdown

    return _MADE + openapi_markdown(describe())


def job_target_page() -> str:
    """`reference/kubernetes-job-target.md`."""
    from dbt_af_k8s.config.schema import keys_reference
    from dbt_af_k8s.jobs.written import JobTargetWritten

    return f"{_MADE}{_JOB_TARGET_HEAD}\n{keys_reference(JobTargetWritten)}"


def kubernetes_target_page() -> str:
    """`reference/kubernetes-target.md`."""
    from dbt_af_k8s.config.schema import keys_reference
    from dbt_af_k8s.pods.written import TargetWritten

    return f"{_MADE}{_KUBERNETES_TARGET_HEAD}\n{keys_reference(TargetWritten)}"


def venv_target_page() -> str:
    """`reference/venv-target.md`."""
    from dbt_af_k8s.config.schema import keys_reference
    from dbt_af_k8s.pods.venv import VenvWritten

    return f"{_MADE}{_VENV_TARGET_HEAD}\n{keys_reference(VenvWritten)}"


_KUBERNETES_TARGET_HEAD = """\
# The target `kubernetes`

The keys of a target of type `kubernetes` in profiles.yml. A node changes [some of
them](node-settings.md#how-far-they-reach), the
first ones to `retry_script`, in `meta.kubernetes`: mappings add to the target's key by key, everything else replaces,
and a
null removes. Quantities are Kubernetes' own: `500m` cores, `1Gi` bytes. How they are
used is told in [Run a Python script in a pod](../how-to/run-a-script-in-a-pod.md).
"""
_VENV_TARGET_HEAD = """\
# The target `venv`

The keys of a target of type `venv` in profiles.yml; see
[Run a Python script in a pod](../how-to/run-a-script-in-a-pod.md#in-a-python-environment-on-the-worker).
"""
_JOB_TARGET_HEAD = """\
# The target `kubernetes_job`

The keys of a target of type `kubernetes_job` in profiles.yml. A node changes [some of
them](node-settings.md#how-far-they-reach),
the first ones to `volume_claim`, in `meta.kubernetes`: its `template_fields` are added key by key, everything else
replaces what
the target says, and a null removes it. A node's `template` is a name in a search path. How they are used is told in
[Kubernetes jobs from a YAML template](../how-to/kubernetes-jobs.md).
"""


#: Files below docs/ and what writes them.
PAGES: Mapping[str, Callable[[], str]] = {
    "reference/settings.md": settings_page,
    "reference/settings.schema.json": schema_file,
    "reference/node-settings.md": node_settings_page,
    "reference/one-time-jobs.md": one_time_jobs_page,
    "reference/kubernetes-target.md": kubernetes_target_page,
    "reference/venv-target.md": venv_target_page,
    "reference/kubernetes-job-target.md": job_target_page,
    "reference/command-line.md": command_line_page,
    "reference/issue-codes.md": issue_codes_page,
    "reference/server-api.md": server_api_page,
    "reference/server-settings.md": server_settings_page,
}


def main() -> None:
    """Write all pages; end with 1 where a link leads nowhere."""
    for name, make in PAGES.items():
        path = DOCS / name
        text = make()
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        if changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{'written  ' if changed else 'unchanged'}  docs/{name}")
    pages = all_pages()
    broken = broken_links(pages)
    links = sum(1 for page in pages for _ in page.links())
    print("\n".join(broken) if broken else f"{links} links on {len(pages)} pages lead somewhere")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
