"""What we read of dbt's manifest.json, as frozen values. `read` alone touches the disk."""
