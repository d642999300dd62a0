"""The network: who uses which addresses. TensorFlow is imported in one sub-package, and only to train."""
