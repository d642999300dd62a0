"""Reading of events: request bodies (pure), the reader, and its output, event buckets."""
