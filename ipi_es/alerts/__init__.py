"""What tells people of findings: alert definitions for three consoles, and notifications of our own."""
