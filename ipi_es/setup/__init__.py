"""What a cluster needs before the first run: index templates and their upgrades; and `check`, which says what is missing."""
