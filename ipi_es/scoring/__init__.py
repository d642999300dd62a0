"""From a compatibility (high = usual) to a score of 0–100 (high = unusual): NumPy only, no IO, no clock."""
