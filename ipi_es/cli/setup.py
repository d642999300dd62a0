"""`ipi-es setup`: index templates, put where they belong."""

from __future__ import annotations
