"""ipi-es: find anomalous (entity, IP address) pairs beside an Elasticsearch or OpenSearch cluster."""

__version__ = "0.1.0"
