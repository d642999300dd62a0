"""Pairs that are scored one by one, for `ipi-es score` and the endpoint: loading a snapshot, rows, content types."""
