"""How the jobs of a worker are: health, readiness, metrics and `ipi-es status`."""
