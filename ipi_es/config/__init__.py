"""Configuration: pydantic settings under Elastic ML's names; the only reader of YAML and of the environment."""
