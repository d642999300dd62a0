"""What is stored of one entity: all of it for an export, and its removal."""
