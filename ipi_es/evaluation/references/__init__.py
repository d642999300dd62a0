"""The references that count earlier rows; one module each."""
