"""The sending of requests: retries, deadlines, TLS, bulk bodies and long index lists."""
