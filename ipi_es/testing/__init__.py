"""An in-memory cluster for tests: the same port as the real adapters, without a server."""
