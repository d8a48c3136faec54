"""Schedules, the intervals they make, and which runs one DAG's run waits for. Pure: no clock, no Airflow."""
