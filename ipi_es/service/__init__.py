"""The worker that runs unattended: what is due, the schedule, health, metrics and what is seen from outside."""
