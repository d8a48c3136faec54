"""Kubernetes jobs from templates: rendered, started, watched and told."""
