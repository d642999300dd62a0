"""Detect that a job no longer sees its events, or only a part of them."""
