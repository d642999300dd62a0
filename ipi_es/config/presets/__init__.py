"""What a job for a known source looks like: one YAML file a source, in ``sources/``."""
