"""Advice on thresholds: how many alarms each would have raised, from the results that are stored."""
