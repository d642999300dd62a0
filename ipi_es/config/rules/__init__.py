"""Rules of allow lists: what one names, what it matches, and rules that would allow nearly everything."""
