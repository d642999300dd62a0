"""`ipi-es serve`: what was found, over HTTP, for programs and people."""
