"""Which tries of a task belong together."""

from typing import Any


def first_try(instance: Any, retries: int | None) -> int:
    """The first try since somebody cleared the task; 1 where nobody did.

    Airflow raises `max_tries` when a task is cleared, and leaves it from one retry to the next.
    """
    number = int(instance.try_number)
    return max(1, min(int(instance.max_tries) - (retries or 0) + 1, number))
