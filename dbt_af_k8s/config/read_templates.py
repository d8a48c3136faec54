"""Templates read from the folders of a search path."""

from collections.abc import Callable, Sequence
from pathlib import Path

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.errors import ProjectError, error

#: Largest template, in bytes: a Kubernetes object may have about 1.5 MB.
MOST_BYTES = 1024 * 1024


def template_finder(folders: Sequence[Path]) -> Callable[[str], TemplateText | None]:
    """Look for templates by name in these folders, in their order; nothing outside of them is ever read.

    A link that leads out of its folder counts as not there. The function raises `ProjectError` for a file that is
    no text.
    """

    def find(name: str) -> TemplateText | None:
        for folder in folders:
            root = folder.resolve()
            path = (root / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                return read_template(path, shown=folder / name)
        return None

    return find


def read_template(path: Path, *, shown: Path) -> TemplateText:
    """Read one file, called `shown` in messages. Raises `ProjectError` for what is no text, or too large."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as failed:
        raise _unreadable(f"The template cannot be read: {failed.strerror}.", "Check its permissions.", shown) from None
    except UnicodeDecodeError as failed:
        line = data.count(b"\n", 0, failed.start) + 1
        message = f"The template is not UTF-8 (line {line})."
        raise _unreadable(message, "Save it as UTF-8.", shown) from None
    if len(data) > MOST_BYTES:
        message = f"The template has more than {MOST_BYTES} bytes."
        raise _unreadable(message, "Is it the right file?", shown)
    return TemplateText(text, str(shown))


def _unreadable(message: str, fix: str, shown: Path) -> ProjectError:
    return ProjectError([error("job-template", message, fix, file=str(shown))])
