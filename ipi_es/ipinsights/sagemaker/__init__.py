"""Amazon SageMaker's interface to IP Insights: channels of CSV pairs, metrics and embeddings."""
