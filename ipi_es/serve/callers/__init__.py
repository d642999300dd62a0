"""Callers of the server: under which name and with which rights each request reaches the cluster."""
