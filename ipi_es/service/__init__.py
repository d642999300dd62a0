"""The worker that runs unattended: due work, the schedule, health, metrics and its HTTP endpoints."""
