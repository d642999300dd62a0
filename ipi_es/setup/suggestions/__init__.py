"""Proposals of jobs from what a cluster's indices hold."""
