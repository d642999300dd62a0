"""Elastic ML's jobs and datafeeds, translated to jobs of ipi-es."""
