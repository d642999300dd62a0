"""The settings of `ipi-es.yml`."""
