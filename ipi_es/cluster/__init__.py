"""The cluster: one small port, one adapter a distribution. Where Elasticsearch and OpenSearch differ ends here.

``port`` and ``memory`` import no client; :func:`ipi_es.cluster.connect.connect` brings the one that is needed.
"""
