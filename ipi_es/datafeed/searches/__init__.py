"""Searches of the events: their bodies, the conversion of their answers, and the proof that these are complete."""
