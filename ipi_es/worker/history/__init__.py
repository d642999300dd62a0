"""A job's history and learning holds while its buckets are scored."""
