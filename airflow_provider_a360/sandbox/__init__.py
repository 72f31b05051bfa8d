"""A local A360 server with a made-up account, for tests and for people without an account.

It is written from the service's documentation and shares no code with the client in `api/`: otherwise a misreading of
the documentation could be in both, and no test would find it.
"""
