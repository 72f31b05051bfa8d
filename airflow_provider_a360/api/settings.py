"""What must be known of an account to ask it: checked before anything is sent."""

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
    """An account and how to ask it. Times are in seconds.

    Raises: A360ConfigError for a value out of its range, for credentials that would travel in the clear, and for
        none at all.
    """

    client_id: str = ""
    """Empty where `secret` is a static API key."""
    secret: str = field(default="", repr=False)
    base_url: str = field(default=BASE_URL, repr=False)
    """Not shown as it is, nor is a value that is out of range: somebody may have typed the secret there."""
    requests_per_second: float = 10.0
    """The account's limit is 10 for all its users together."""
    page_size: int = LARGEST_PAGE
    max_in_flight: int = 8
    """Requests under way at once. At ten a second, eight carry answers that take up to 0.8 seconds."""
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    """The longest silence within an answer."""

    def __post_init__(self) -> None:
        if not self.secret:
            raise A360ConfigError(
                "The connection has no password: give the client secret there (with the client ID as login), "
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
                    f"it must lie between {lowest} and {highest}."
                )

    @property
    def is_local(self) -> bool:
        """Whether the service is one on this machine."""
        return _is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def shown_url(self) -> str:
        """The base URL for a message, or other words for one whose host may be a secret in the wrong field."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        labels = host.split(".")
        named = len(labels) > 1 and all(scrub(label) == label for label in labels)
        if named or _is_loopback(host) or _is_address(host):
            return f"{parts.scheme}://{parts.netloc}"
        return "the connection's host"


def _base_url(text: str) -> str:
    """The base URL without a slash at its end; https, but for this machine itself."""
    url = (text.strip() or BASE_URL).rstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:
        # Not shown: a URL that can't be taken apart may hold a password.
        raise A360ConfigError(f"The connection's host is not a valid base URL such as {BASE_URL}.") from None
    if parts.username or parts.password:
        raise A360ConfigError(
            "The connection's host holds a user name or a password; give those as login and password."
        )
    if parts.query or parts.fragment or not parts.hostname or parts.scheme not in {"http", "https"}:
        raise A360ConfigError(f"The connection's host is not a base URL such as {BASE_URL}.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise A360ConfigError(
            "The connection's host begins with http, which would carry the secret unencrypted; use https "
            "(http is for a server on this machine only)."
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
