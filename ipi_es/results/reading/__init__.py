"""Read results back: queries, counts, and what was reported before."""
