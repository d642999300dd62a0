"""The network: who uses which addresses. Hyperparameters, encoders, history, snapshots; TensorFlow in one sub-package."""
