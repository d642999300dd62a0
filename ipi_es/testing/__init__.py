"""An in-memory cluster, for tests of ipi-es and of code that uses it: the port of the real adapters without a server.

:class:`~ipi_es.testing.memory_cluster.MemoryCluster` implements :class:`ipi_es.cluster.port.Cluster` in this process.
It opens no connection, reads no clock, and forgets everything with the object. Errors are those of
:mod:`ipi_es.errors`.

Fill it through the port. A field that neither the index's mapping nor a template names gets a guessed type, as on
a server:

    from ipi_es.cluster.port import Put
    from ipi_es.testing.memory_cluster import MemoryCluster

    cluster = MemoryCluster()
    fields = {"@timestamp": {"type": "date"}, "user.name": {"type": "keyword"}, "source.ip": {"type": "ip"}}
    cluster.create_index("signins", {"mappings": {"properties": fields}})
    event = {"@timestamp": "2026-05-01T08:00:00Z", "user": {"name": "ann"}, "source": {"ip": "192.0.2.7"}}
    cluster.bulk([Put("signins", "1", event)], refresh=True)
    assert cluster.count("signins", {"term": {"source.ip": "192.0.2.0/24"}}) == 1

It imitates what ipi-es relies on:

- Searches see a document only after a refresh; ``get`` sees it at once.
- Compare-and-set by sequence number, and external versions (``external_gte``). The version of a deleted document is
  kept for good; a server forgets it after ``index.gc_deletes``.
- Composable index templates (the highest priority wins), dynamic mapping, multi-fields and field aliases.
- Patterns, exclusions, aliases with a write index, hidden and closed indices, and write blocks.
- Limits: ids of 1 to 512 bytes, 10,000 hits in a search, 65,535 buckets in a page of a composite aggregation.

It refuses other forms rather than ignoring them: a query, an aggregation or a key of a search body that ipi-es doesn't
use raises RequestRejected, and so does date math. (Inside a known form not every parameter is checked.) A remote
cluster (``c:logs-*``) raises NotFound. There is no security, no relevance score, no time-out and no retry; lifecycle
policies and alert definitions are stored and never run.
"""
