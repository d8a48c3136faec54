"""Slices: of each node the part of the manifest that dbt needs to run it, made ahead and read by one look-up."""
