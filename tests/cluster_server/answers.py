"""What a Kubernetes API server says when it does not do what it was asked: `Status` objects in Kubernetes' words.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from collections.abc import Sequence
from typing import Any

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Refused(Exception):  # noqa: N818 (it is an answer)
    """A request that ends with a `Status` and the HTTP code in it."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "Unknown")
        self.details = dict(details or {})
        self.retry_after = retry_after
        if retry_after is not None:
            self.details["retryAfterSeconds"] = retry_after

    @property
    def status(self) -> dict[str, Any]:
        """The object that stands in the answer's body."""
        details = {"details": self.details} if self.details else {}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **details,
            "code": self.code,
        }


def success(name: str, kind: str, uid: str) -> dict[str, Any]:
    """The answer to a deletion that left nothing behind."""
    details = {"name": name, "kind": kind, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def not_found(resource: str, name: str) -> Refused:
    """404 for one object."""
    plural = resource.split(".")[0]
    return Refused(404, f'{resource} "{name}" not found', details={"name": name, "kind": plural})


def already_exists(resource: str, name: str) -> Refused:
    """409 for a name that is taken."""
    message = f'{resource} "{name}" already exists'
    return Refused(409, message, reason="AlreadyExists", details={"name": name, "kind": resource.split(".")[0]})


def conflict(resource: str, name: str, why: str) -> Refused:
    """409 for an update that is based on an older state."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Refused(409, message, details={"name": name, "kind": resource.split(".")[0]})


def invalid(kind: str, name: str, problems: Sequence[tuple[str, str]]) -> Refused:
    """422 with every field that is wrong, as pairs of field and message."""
    told = [f"{field}: {message}" for field, message in problems]
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": field} for field, message in problems]
    listed = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    details = {"name": name, "kind": kind, "causes": causes}
    return Refused(422, f'{kind} "{name}" is invalid: {listed}', details=details)


def gone(asked: int, oldest: int) -> Refused:
    """410 for a resource version that is forgotten."""
    return Refused(410, f"too old resource version: {asked} ({oldest})")
