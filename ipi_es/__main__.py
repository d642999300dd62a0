"""``python -m ipi_es`` runs the `ipi-es` command."""

from ipi_es.cli.main import main

main()
