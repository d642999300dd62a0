"""Modules that several commands use: output, terminal, progress, options, and facts about pairs."""
