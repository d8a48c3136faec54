from dbt_af_k8s.airflow import dbt_dags; globals().update(dbt_dags("../example_project"))
