"""Score buckets again whose events changed after they were scored."""
