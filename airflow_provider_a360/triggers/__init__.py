"""The sensor's deferred half."""
