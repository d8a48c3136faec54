"""`python -m dbt_af_k8s`: the same as `dbt-af-k8s`."""

from dbt_af_k8s.cli.main import main

if __name__ == "__main__":
    main()
