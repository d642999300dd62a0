"""The cluster: one small port, one adapter per distribution.

No code above knows how Elasticsearch and OpenSearch differ.

``port`` imports no client; :func:`ipi_es.cluster.connect.connect` imports the one that is needed.
"""
