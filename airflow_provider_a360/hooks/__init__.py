"""Turn an Airflow connection into a client."""

DEFAULT_CONN_ID = "a360_default"
"""Defined here, so that operators don't import the hook: that would slow down DAG parsing."""
