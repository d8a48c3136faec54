"""Clients of live systems: Airflow's REST API, and a Kubernetes cluster. Imports no Airflow."""
