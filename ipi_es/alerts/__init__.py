"""Alerts for people: alert definitions for three consoles, and notifications from the worker."""
