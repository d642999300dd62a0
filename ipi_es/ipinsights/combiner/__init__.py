"""The second part of the hybrid: features of history and the network's log-odds, combined to one log-odds."""
