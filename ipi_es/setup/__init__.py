"""What a cluster needs before the first run: index templates, their upgrades, and `check`."""
