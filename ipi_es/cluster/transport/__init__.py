"""Send requests: retries, deadlines, TLS, bulk bodies and long index lists."""
