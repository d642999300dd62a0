"""A job's history and learning holds as its buckets are scored."""
