"""Amazon SageMaker's interface of IP Insights: channels of CSV pairs, metrics and embeddings."""
