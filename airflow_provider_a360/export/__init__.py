"""Export datasets to files."""
