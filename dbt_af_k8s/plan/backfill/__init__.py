"""A backfill before it runs: its form, the nodes that it chooses, and what it would do. Pure."""
