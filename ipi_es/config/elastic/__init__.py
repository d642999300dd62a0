"""Translate Elastic ML's jobs and datafeeds to jobs of ipi-es."""
