"""History of a job: counts by entity and network, moved forward one UTC day at a time."""
