"""What the report's page and the explorer's pages have in common: texts, lanes, style and Jinja's settings."""
