"""Names in a cluster: which text Kubernetes takes as the name of an object, as label or variable, and how to make one.

Source of the rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/
"""

import re

from dbt_af_k8s.names import short_hash

#: Longest label value and name part, in characters.
LONGEST_LABEL = 63
#: Longest name of an object (a DNS subdomain), in characters.
LONGEST_NAME = 253
#: Longest name of a pod that we give, so that Airflow's random suffix still fits into a host name.
_LONGEST_POD_NAME = 54
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
#: The key of `executor_config` that Airflow's KubernetesExecutor reads: a pod that is laid over the worker's.
POD_OVERRIDE = "pod_override"


def is_dns_label(text: str) -> bool:
    """Whether it can name a namespace, a container or a volume (RFC 1123 label)."""
    return len(text) <= LONGEST_LABEL and _DNS_LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Whether it can name an object such as a service account or a secret (RFC 1123 subdomain)."""
    return len(text) <= LONGEST_NAME and _DNS_SUBDOMAIN.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Whether it can be the value of a label; an empty text can."""
    return not text or (len(text) <= LONGEST_LABEL and _LABEL_VALUE.fullmatch(text) is not None)


def is_label_key(text: str) -> bool:
    """Whether it can be the key of a label, annotation or resource: a name, with a domain and a slash before or not."""
    domain, slash, name = text.rpartition("/")
    return bool(name) and is_label_value(name) and (is_dns_subdomain(domain) if slash else True)


def is_variable(text: str) -> bool:
    """Whether it can name an environment variable in every shell and in `$(NAME)`."""
    return _VARIABLE.fullmatch(text) is not None


def safe_label_value(text: str) -> str:
    """The text as a label value: unchanged where it is one, else cleaned and told apart by a hash of the whole."""
    if is_label_value(text):
        return text
    mark = short_hash(text)
    cleaned = _UNSAFE.sub("_", text)[: LONGEST_LABEL - len(mark) - 1].strip("_.-")
    return f"{cleaned}-{mark}" if cleaned else mark


def safe_pod_name(text: str) -> str:
    """The text as the name of a pod: lower case, letters, digits and dashes, with a hash where it changed."""
    return safe_dns_label(text, _LONGEST_POD_NAME, empty="pod")


def safe_dns_label(text: str, longest: int = LONGEST_LABEL, empty: str = "x") -> str:
    """The text as an RFC 1123 label of at most `longest` characters; with a hash where it changed.

    `empty` stands in where no letter or digit is left.
    """
    if is_dns_label(text) and len(text) <= longest:
        return text
    mark = short_hash(text)
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower())[: longest - len(mark) - 1].strip("-")
    return f"{cleaned or empty}-{mark}"
