"""Findings that were reported before: repeats of one account or address, and moves of a group to another network."""
