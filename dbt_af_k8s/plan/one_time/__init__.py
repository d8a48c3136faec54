"""One-time jobs: a configuration file becomes the runs of a backfill, and a Kubernetes Job that starts them. Pure."""
