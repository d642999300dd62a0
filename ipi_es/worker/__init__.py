"""A job's work: batches of buckets, training, renormalization."""
