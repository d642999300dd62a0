"""Second part of the hybrid: combines features of history and the network's log-odds to one log-odds."""
