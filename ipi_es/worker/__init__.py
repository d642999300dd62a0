"""The work on a job: batches of buckets, training, renormalization."""
