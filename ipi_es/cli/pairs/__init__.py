"""Rows of pairs for `ipi-es score`: parsing, scoring, SageMaker's content types."""
