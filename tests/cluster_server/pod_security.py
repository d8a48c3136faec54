"""Pod security levels of a namespace, as the admission controller of Kubernetes enforces them.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, and the words of
`k8s.io/pod-security-admission`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from cluster_server.pod_rules import containers_of

Thing = dict[str, Any]
LABEL = "pod-security.kubernetes.io/enforce"
_BASELINE_CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
_RESTRICTED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
}


def pod_security_problem(level: str | None, spec: Thing) -> str | None:
    """Why a pod may not be in a namespace of that level; None where it may."""
    if level not in ("baseline", "restricted"):
        return None
    found = [*_baseline(spec), *(_restricted(spec) if level == "restricted" else ())]
    return f'violates PodSecurity "{level}:latest": {", ".join(found)}' if found else None


def _baseline(spec: Thing) -> Iterator[str]:
    names = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    if names:
        yield f"host namespaces ({', '.join(f'{name}=true' for name in names)})"
    paths = [each["name"] for each in spec.get("volumes") or () if "hostPath" in each]
    if paths:
        yield f"hostPath volumes ({_named('volume', paths)})"
    yield from _where(spec, lambda own: bool(own.get("privileged")), "privileged", "securityContext.privileged=true")
    far = [
        container["name"]
        for _, container in containers_of(spec)
        if set(((container.get("securityContext") or {}).get("capabilities") or {}).get("add") or ())
        - _BASELINE_CAPABILITIES
    ]
    if far:
        yield f"non-default capabilities ({_named('container', far)} must not include them)"


def _restricted(spec: Thing) -> Iterator[str]:
    whole = spec.get("securityContext") or {}
    yield from _where(
        spec,
        lambda own: own.get("allowPrivilegeEscalation") is not False,
        "allowPrivilegeEscalation != false",
        "securityContext.allowPrivilegeEscalation=false",
    )
    yield from _where(
        spec,
        lambda own: "ALL" not in ((own.get("capabilities") or {}).get("drop") or ()),
        "unrestricted capabilities",
        'securityContext.capabilities.drop=["ALL"]',
    )
    volumes = [each["name"] for each in spec.get("volumes") or () if not _RESTRICTED_VOLUMES & (each.keys() - {"name"})]
    if volumes:
        yield f"restricted volume types ({_named('volume', volumes)})"
    yield from _where(
        spec,
        lambda own: not own.get("runAsNonRoot", whole.get("runAsNonRoot")),
        "runAsNonRoot != true",
        "securityContext.runAsNonRoot=true",
        what="pod or container",
    )
    yield from _where(
        spec,
        lambda own: (
            (own.get("seccompProfile") or whole.get("seccompProfile") or {}).get("type")
            not in ("RuntimeDefault", "Localhost")
        ),
        "seccompProfile",
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"',
        what="pod or container",
    )


def _where(
    spec: Thing, is_wrong: Callable[[Thing], bool], rule: str, must: str, *, what: str = "container"
) -> Iterator[str]:
    names = [each["name"] for _, each in containers_of(spec) if is_wrong(each.get("securityContext") or {})]
    if names:
        yield f"{rule} ({_named(what, names)} must set {must})"


def _named(what: str, names: list[str]) -> str:
    told = ", ".join(f'"{name}"' for name in names)
    return f"{what}{'s' if len(names) > 1 else ''} {told}"
