"""Objects as YAML for people and for `kubectl apply`."""

from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Without anchors: an object that stands in two places is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(thing: Mapping[str, Any]) -> str:
    """One document; keys keep their order."""
    text: str = yaml.dump(thing, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
