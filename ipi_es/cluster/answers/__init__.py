"""Check the answers of a cluster: complete, failed, and what to do about it. Pure."""
