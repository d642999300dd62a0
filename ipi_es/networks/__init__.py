"""Facts about an address's network from local files, never by a request: operator, country, type."""
