"""`dbt-af-k8s serve`: dbt behind an HTTP API. Imports FastAPI and uvicorn (the extra `server`), never Airflow."""
