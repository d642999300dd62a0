"""Results: documents, their ids, building them from a scored bucket, and the store."""
