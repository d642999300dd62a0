"""The IP Insights network: its arrays, its negatives, and its fitting to training pairs."""
