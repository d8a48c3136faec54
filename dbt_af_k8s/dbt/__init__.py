"""Running dbt on one node: command line, process, log lines, results. Knows no Airflow."""
