"""YAML as people like to read it: keys in their order, texts of several lines as blocks. Pure."""

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Safe types only; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def yaml_text(value: Any) -> str:
    """One document, with its newline; the same bytes for the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
