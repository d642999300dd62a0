"""Real servers for the tests: started here, found by URL, or taken from a container engine."""
