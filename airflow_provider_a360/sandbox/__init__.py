"""An A360 server with a made-up account, for people without one and for tests.

Written from the service's own page and from nothing else of this package, so that one misreading can't hide in
client and server alike.
"""
