"""Train a job, store its snapshot, and go back to an earlier one."""
