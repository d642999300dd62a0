"""The health of a worker's jobs: readiness, metrics and `ipi-es status`."""
