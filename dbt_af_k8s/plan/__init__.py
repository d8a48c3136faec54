"""The plan: every DAG, task, edge and wait of a project as one value, and what can be done with it."""
