"""`ipi-es demo`: a simulated company, hidden incidents, and the product run on them."""
