"""The paths of a SageMaker endpoint: `/ping`, `/invocations`, `/execution-parameters`, and those of its runtime API."""
