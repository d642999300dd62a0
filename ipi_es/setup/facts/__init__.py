"""Gather the facts that `ipi-es check` judges: reads, and probes of rights."""
