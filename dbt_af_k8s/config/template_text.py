"""A template file that was found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TemplateText:
    """Text with Jinja, or what came out of it."""

    text: str
    #: Path of the file, for messages.
    file: str
