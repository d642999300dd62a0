"""The cluster: one small port, one adapter a distribution. Where Elasticsearch and OpenSearch differ ends here."""
