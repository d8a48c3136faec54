"""Kubernetes Jobs from YAML templates: rendered, checked, made ready for one run, and judged at their end. Pure."""
