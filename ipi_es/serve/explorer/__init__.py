"""The explorer: pages on which people look at a job's findings in a browser, and answer them."""
