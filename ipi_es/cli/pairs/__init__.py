"""Rows of pairs for `ipi-es score`: parsing, scoring, and SageMaker's content types."""
