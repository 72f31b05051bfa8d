"""Exports of a run's days."""
