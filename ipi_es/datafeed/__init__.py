"""Reading events: request bodies (pure), the reader, and what it hands on: event buckets."""
