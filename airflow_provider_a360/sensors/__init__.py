"""Waits for a flow's queue."""
