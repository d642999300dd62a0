"""Gather the facts that `ipi-es check` judges: by reading, and by probes of rights."""
