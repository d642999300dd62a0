"""Building of result documents, their ids and their sentences. Pure."""
