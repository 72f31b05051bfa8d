"""Rows to files, all or nothing."""
