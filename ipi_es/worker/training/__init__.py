"""Train a job, store its snapshot, and revert to an earlier one."""
