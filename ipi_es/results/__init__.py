"""Results: documents, their ids, how they are built from a scored bucket, and the store."""
