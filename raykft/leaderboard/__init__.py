"""What an experiment found, read from its files: rows, ranking, and how they are shown."""
