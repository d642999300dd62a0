"""``python -m ipi_es`` is the `ipi-es` command."""

from ipi_es.cli.main import main

main()
