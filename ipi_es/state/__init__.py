"""The data that a job keeps between runs: state, quantiles, snapshots and history, in the cluster or a directory."""
