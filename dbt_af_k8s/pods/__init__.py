"""Pods as values: the `kubernetes` target of profiles.yml, the script and its environment, the manifest. Pure."""
