"""What may share a task with `granularity: fused`, as a person writes it."""

from typing import Annotated

from pydantic import Field

from dbt_af_k8s.config.fields import Count, Section, Span, Texts


class FusedConfig(Section):
    """With `granularity: fused`: which nodes are cheap, and how many of them share a task.

    A node is named by its materialization (`view`, `table`, `incremental`, or one of your own), or `seed`, `snapshot`,
    `test`. Microbatch models always run alone.
    """

    most_nodes: Annotated[Count, Field(description="Most nodes of one task, tests included.")] = 30
    most_time: Annotated[
        Span,
        Field(description="Longest time of one task: its nodes' recorded run times together; unknown ones count 0."),
    ] = 60
    cheap: Annotated[Texts, Field(description="What is cheap unless a recorded run time says otherwise.")] = (
        "view",
        "seed",
        "test",
    )
    measured: Annotated[Texts, Field(description="What is cheap only if a recorded run time says so.")] = ("table",)
