"""Operators and countries as numbers."""

from __future__ import annotations

MAX_OPERATOR = 2**32 - 1
"""Autonomous system numbers have 32 bits (RFC 6793)."""


def country_number(text: object) -> int:
    """Return a country's two letters as a number: (first << 8) | second, upper case; 0 for any other value."""
    if not isinstance(text, str):
        return 0
    text = text.strip().upper()
    if len(text) != 2 or not ("A" <= text[0] <= "Z" and "A" <= text[1] <= "Z"):
        return 0
    return ord(text[0]) << 8 | ord(text[1])


def country_text(number: int) -> str | None:
    """Return the two letters of a country's number; None for 0."""
    return chr(number >> 8) + chr(number & 0xFF) if number else None


def operator_number(value: object) -> int:
    """Return the number of an autonomous system: 64496, ``"64496"`` or ``"AS64496"``; 0 for any other value."""
    if isinstance(value, str):
        digits = value.strip().upper().removeprefix("AS")
        value = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 10 else 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 <= value <= MAX_OPERATOR else 0
