"""What a target's `type` in profiles.yml means for the nodes that are routed to it."""

#: Types that run a Python script and know no SQL.
PYTHON_ONLY = ("kubernetes", "kubernetes_job", "venv")


def runs_only_python(target_type: str | None) -> bool:
    """Whether a target of that type takes Python scripts only. Every other type is a dbt adapter: a warehouse."""
    return target_type in PYTHON_ONLY
