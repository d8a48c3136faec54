"""dbt in pods: the place where it runs, on any cluster, on GKE and on EKS."""
