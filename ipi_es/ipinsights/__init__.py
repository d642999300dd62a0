"""IP Insights: which entities use which addresses. One sub-package imports TensorFlow, and only to train."""
