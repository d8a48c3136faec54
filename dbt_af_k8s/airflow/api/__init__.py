"""A dbt server's side of Airflow: the place where dbt runs, and the trigger that waits for it."""
