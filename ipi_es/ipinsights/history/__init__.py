"""What a job has seen: counts by entity and network, moved forward one UTC day at a time."""
