"""What the values of a log's fields say: people or machines, clients or proxies, sign-ins or other actions. Pure."""
