"""Measures how well attacks are distinguished from real events: one protocol for the product and the references."""
