"""Resolved settings of callbacks and integrations. What is to be called stands here by name.

A name is a dotted path, or, for what was made in Python, the key where it stands (`callbacks.run.on_failure[0]`);
`config.callables` finds the thing itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Names of what is called, by the event of a DAG or task, in the order of the calls."""

    on_execute: tuple[str, ...] = ()
    on_success: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    on_retry: tuple[str, ...] = ()
    on_skipped: tuple[str, ...] = ()

    def then(self, other: "Callbacks") -> "Callbacks":
        """These first, then the others; each name once."""
        return Callbacks(*(_joined(getattr(self, event), getattr(other, event)) for event in EVENTS))


#: The fields of `Callbacks`, in their order.
EVENTS = ("on_execute", "on_success", "on_failure", "on_retry", "on_skipped")


@dataclass(frozen=True, slots=True)
class Deadline:
    """An alert where a run is not done in time."""

    #: Seconds after the reference.
    after: int
    #: `queued`, `logical_date` or `average_runtime`.
    reference: str
    call: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """What is called for DAGs, and for tasks by their kind (callbacks of all tasks included)."""

    dag: Callbacks = Callbacks()
    #: Task kind -> its callbacks; kinds without any are not here.
    tasks: Mapping[str, Callbacks] = field(default_factory=dict)
    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """Who refreshes: what to call for it, and what it is told besides the resource."""

    #: `tableau`, `monte_carlo`, or the name of what makes a `Refresher`.
    call: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExposureRule:
    """Which exposures a provider refreshes. An empty tuple matches all."""

    provider: str
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntegrationSettings:
    """Other systems that hear of a model when it is done."""

    #: By name; has `tableau` always.
    providers: Mapping[str, Provider] = field(
        default_factory=lambda: {TABLEAU: Provider(TABLEAU, {"connection": "tableau_default", "timeout": 60})}
    )
    #: The first that fits an exposure counts.
    exposures: tuple[ExposureRule, ...] = ()
    #: Who gets dbt's artefacts after each dbt task, or None.
    artifacts: Provider | None = None
    #: Whether a task fails where its artefacts cannot be sent.
    artifacts_required: bool = False


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


#: Providers of this library.
TABLEAU = "tableau"
MONTE_CARLO = "monte_carlo"
