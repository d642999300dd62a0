"""Rescore buckets whose events changed after they were scored."""
