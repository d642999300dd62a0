"""Read YAML and JSON files, and report every mistake with its place."""
