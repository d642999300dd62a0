"""Scoring of a range on several processes or machines, by Dask; what must be in order stays in one process."""
