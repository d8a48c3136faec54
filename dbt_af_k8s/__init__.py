"""A dbt project becomes Airflow DAGs: one per domain and schedule, each node where its target says."""

__version__ = "0.1.0"
