"""Scripts beside the worker: as local processes, and in environments of their own."""
