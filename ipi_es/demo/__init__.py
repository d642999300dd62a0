"""`ipi-es demo`: a simulated company with hidden incidents, on which the product is run."""
