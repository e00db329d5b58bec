"""Making a merge plan: every row is read, compared and decided; nothing is written."""
