"""Scripts in pods: the operator, and a pod's life, log and helpers."""
