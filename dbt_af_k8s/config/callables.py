"""Things to call that stand in a `Config` made in Python, by the key where they stand.

Settings and plan know them by that key only, so both stay plain values; who makes the DAGs has the `Config` at hand.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.settings_integrations import EVENTS
from dbt_af_k8s.config.written import Config


def name_of_callback(value: str | Callable[..., Any], key: str) -> str:
    """What settings and plan call it: a dotted path as it is, anything else by its key."""
    return value if isinstance(value, str) else key


def callables_of(config: Config) -> Mapping[str, Callable[..., Any]]:
    """Everything in the `Config` that is no dotted path, by name."""
    return {key: value for key, value in _written(config) if not isinstance(value, str)}


def _written(config: Config) -> Iterator[tuple[str, str | Callable[..., Any]]]:
    for part in type(config.callbacks).model_fields:
        section = getattr(config.callbacks, part)
        for event in EVENTS:
            for position, value in enumerate(getattr(section, event, ())):
                yield callback_key(part, event, position), value
    deadline = config.callbacks.dag.deadline
    if deadline is not None:
        yield DEADLINE_KEY, deadline.call
    for name, value in config.integrations.providers.items():
        yield provider_key(name), value


#: Key of what a deadline calls.
DEADLINE_KEY = "callbacks.dag.deadline.call"


def callback_key(part: str, event: str, position: int) -> str:
    """Key of one callback: `callbacks.run.on_failure[0]`."""
    return f"callbacks.{part}.{event}[{position}]"


def provider_key(name: str) -> str:
    """Key of a provider: `integrations.providers.powerbi`."""
    return f"integrations.providers[{name}]"
