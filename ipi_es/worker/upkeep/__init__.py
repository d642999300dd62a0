"""Nightly cleanup, missing results, and removal of a job."""
