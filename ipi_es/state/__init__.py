"""What a job remembers between runs: its state, quantiles, snapshots and history, in the cluster or a directory."""
