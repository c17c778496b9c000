"""What users ask of the store."""
