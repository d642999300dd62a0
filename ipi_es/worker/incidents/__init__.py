"""Incidents: documents that follow from a job's stored results."""
