"""ipi-es: anomalous (entity, IP address) pairs, found beside an Elasticsearch or OpenSearch cluster."""

__version__ = "0.1.0"
