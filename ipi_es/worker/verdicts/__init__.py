"""Verdicts on findings: what they change in scoring and learning, and their marks on results."""
