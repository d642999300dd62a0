"""What a job keeps between runs: state, quantiles, snapshots and history, in the cluster or in a directory."""
