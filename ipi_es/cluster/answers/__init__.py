"""Checks of a cluster's answers: whether they are complete, what failed, and what to do about it. Pure."""
