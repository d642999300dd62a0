"""Prepare a cluster for the first run: index templates, their upgrades, and `check`."""
