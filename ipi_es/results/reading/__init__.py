"""Read results back: queries, counts, and earlier findings."""
