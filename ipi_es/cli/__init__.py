"""The `ipi-es` command."""
