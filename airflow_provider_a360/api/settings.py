"""The settings of an account, checked before anything is sent."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.masking import scrub

BASE_URL = "https://api.sendpulse.com"
LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """An account's credentials, base URL and limits.

    :param client_id: the client ID; empty if `secret` is a static API key.
    :param secret: the client secret or a static API key.
    :param base_url: the service's URL: https, or http for this machine only.
    :param requests_per_second: the rate limit, 0.01 to 1000. The service allows an account 10, for all its users.
    :param page_size: rows per request, 1 to 100.
    :param max_in_flight: requests in flight at the same time, 1 to 64. At ten requests per second, eight are enough for
        responses that take up to 0.8 seconds.
    :param connect_timeout: seconds to wait for a connection.
    :param read_timeout: seconds to wait for the next bytes of a response.
    :raises A360ConfigError: if a value is out of range, the secret is empty, or http would send it unencrypted.
    """

    client_id: str = ""
    secret: str = field(default="", repr=False)
    # Not in the repr: somebody may have typed the secret there. For the same reason, messages mask wrong values.
    base_url: str = field(default=BASE_URL, repr=False)
    requests_per_second: float = 10.0
    page_size: int = LARGEST_PAGE
    max_in_flight: int = 8
    connect_timeout: float = 10.0
    read_timeout: float = 60.0

    def __post_init__(self) -> None:
        if not self.secret:
            raise A360ConfigError(
                "The connection has no password: enter the client secret there (with the client ID as login), "
                "or a static API key (with an empty login)."
            )
        if not self.client_id and not (self.secret.isascii() and self.secret.isprintable() and " " not in self.secret):
            # It goes into a header, where requests would quote it in its error.
            raise A360ConfigError(
                "The static API key in the connection's password holds a space, a line break or a character outside of "
                "ASCII: copy the key again."
            )
        object.__setattr__(self, "base_url", _base_url(self.base_url))
        for name, lowest, highest in (
            ("requests_per_second", 0.01, 1000),
            ("page_size", 1, LARGEST_PAGE),
            ("max_in_flight", 1, 64),
            ("connect_timeout", 0.01, 3600),
            ("read_timeout", 0.01, 3600),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and lowest <= value <= highest):
                raise A360ConfigError(
                    f"{name} is {scrub(str(value))} in the connection's extra; "
                    f"it must be between {lowest} and {highest}."
                )

    @property
    def is_local(self) -> bool:
        """Whether the base URL is on this machine."""
        return _is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def shown_url(self) -> str:
        """The base URL for messages; "the connection's host" if it could be a secret in the wrong field."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        labels = host.split(".")
        named = len(labels) > 1 and all(scrub(label) == label for label in labels)
        if named or _is_loopback(host) or _is_address(host):
            return f"{parts.scheme}://{parts.netloc}"
        return "the connection's host"


def _base_url(text: str) -> str:
    """Return the base URL without a trailing slash; refuse http, except for this machine."""
    url = (text.strip() or BASE_URL).rstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:
        # Don't show it: an invalid URL may hold a password.
        raise A360ConfigError(f"The connection's host is not a valid base URL such as {BASE_URL}.") from None
    if parts.username or parts.password:
        raise A360ConfigError(
            "The connection's host contains a user name or a password; enter them as login and password."
        )
    if parts.query or parts.fragment or not parts.hostname or parts.scheme not in {"http", "https"}:
        raise A360ConfigError(f"The connection's host is not a base URL such as {BASE_URL}.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise A360ConfigError(
            "The connection's host begins with http, which would send the secret unencrypted; use https "
            "(http is for servers on this machine only)."
        )
    return url


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
