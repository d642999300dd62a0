"""What every HTTP server of ipi-es needs: a bound address, a thread, and limits of connections."""
