"""Settings, profiles and node settings, as frozen values. `read` alone touches the disk."""
