"""The terminal: one file per command over the same plan; nothing is decided here."""
