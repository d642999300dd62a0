"""A job's results as one HTML page that can be mailed: it loads nothing from the network."""
