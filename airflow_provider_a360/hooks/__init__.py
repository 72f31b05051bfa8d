"""A connection becomes a client."""

DEFAULT_CONN_ID = "a360_default"
"""Here, so that an operator names it without what the hook imports: DAGs are parsed all day."""
