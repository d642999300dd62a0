"""The IP Insights network: its arrays, its negatives, and the fitting of both to training pairs."""
