"""Score event buckets, turn them into result documents, and write them in batches."""
