"""Judge the facts about a job's cluster, indices and events for `ipi-es check`. Pure."""
