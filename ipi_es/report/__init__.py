"""A job's results as one page that can be mailed: read, laid out, written as HTML that asks the network for nothing."""
