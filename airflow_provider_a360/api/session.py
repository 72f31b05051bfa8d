"""HTTP: open the session of an account, send a request through it, and explain failed connections."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from airflow_provider_a360 import __version__
from airflow_provider_a360.api.errors import A360ConfigError, A360Error, A360TransientError
from airflow_provider_a360.api.settings import Settings

if TYPE_CHECKING:
    from airflow_provider_a360.api.transport import Request

_CHUNK = 1 << 16

# Parts of the messages of requests and urllib3, and what to say instead.
_FAILURES = {
    "ProxyError": "the proxy refused or failed",
    "Connection refused": "connection refused",
    "NameResolutionError": "host name could not be resolved",
    "Network is unreachable": "network unreachable",
    "ConnectTimeout": "connecting timed out",
    "Read timed out": "the server sent nothing for too long",
    "TimeoutError": "the response took too long",
    "timed out": "connecting timed out",
    "reset by peer": "connection reset by the server",
    "RemoteDisconnected": "connection closed by the server",
    "IncompleteRead": "connection closed within the response",
    "SSL": "the TLS connection failed",
}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None, so that no redirect is followed, nor its body read without a deadline."""


def open_session(settings: Settings) -> requests.Session:
    """Return a session that knows the environment's proxies and certificates.

    :param settings: the base URL, and the number of requests in flight.
    :raises A360ConfigError: if a proxy isn't a valid URL, or the CA bundle doesn't exist.
    """
    session = _Session()
    session.headers["User-Agent"] = f"airflow-provider-a360/{__version__}"
    adapter = HTTPAdapter(pool_maxsize=settings.max_in_flight)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Read the environment once: a session that trusts it reads it for every request, and lets a .netrc replace the
    # access token.
    environment = session.merge_environment_settings(settings.base_url, {}, None, None, None)
    session.trust_env = False
    session.verify = environment["verify"]
    # A loopback address may be http, where a proxy could read the secret.
    session.proxies = {} if settings.is_local else environment["proxies"]
    _check(session, adapter, settings.base_url)
    return session


def _check(session: requests.Session, adapter: HTTPAdapter, url: str) -> None:
    """Find a wrong proxy or CA bundle before the first request, which would be retried in vain."""
    try:
        request = session.prepare_request(requests.Request("GET", url))
        pool = adapter.get_connection_with_tls_context(request, session.verify, session.proxies)
    except (requests.RequestException, ValueError, TypeError):
        # Don't chain the error: a proxy's URL may hold a password.
        raise A360ConfigError(
            "The base URL or the proxy is not a valid URL: check the connection's host and the environment "
            "variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY."
        ) from None
    try:
        adapter.cert_verify(pool, url, session.verify, None)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise A360ConfigError(f"{error}: check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE in the environment.") from None


class Answer(NamedTuple):
    """An HTTP response, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def exchange(
    session: requests.Session, settings: Settings, request: Request, access_token: str | None, until: float
) -> Answer:
    """Send a request and read the response.

    :param session: the session to send it through.
    :param settings: the base URL and the time-outs.
    :param request: what to send.
    :param access_token: the token or API key that authorizes the request; None for none.
    :param until: the time, by `time.monotonic`, at which to give up reading the body.
    :return: status, headers and decoded body.
    :raises A360TransientError: if no complete response came.
    :raises A360ConfigError: if the server's certificate can't be trusted.
    """
    try:
        with session.request(
            request.method,
            settings.base_url + request.path,
            params=request.params,
            json=request.body,
            headers={"Authorization": f"Bearer {access_token}"} if access_token else None,
            timeout=(settings.connect_timeout, settings.read_timeout),
            stream=True,
        ) as response:
            # The headers' delay must not shorten the time for the body.
            until = max(until, time.monotonic() + settings.read_timeout)
            return Answer(response.status_code, response.headers, _body(response, until))
    # Bodies are read from urllib3's response, whose errors requests doesn't wrap there.
    except (requests.RequestException, HTTPError, OSError) as error:
        failure = _failure(error, settings, request)
    # Raised here, because an error raised above would keep the request, with its token and body, as its context.
    raise failure


def _failure(error: Exception, settings: Settings, request: Request) -> A360Error:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return A360ConfigError(
            f"The certificate of {settings.shown_url} can't be trusted. If a proxy of your own re-encrypts the "
            "traffic, set the environment variable REQUESTS_CA_BUNDLE to the file with its certificate."
        )
    # Not the error's own text, which may hold a proxy's password.
    why = next((words for part, words in _FAILURES.items() if part in repr(error)), type(error).__name__)
    reason = f"no response from {settings.shown_url} ({why}); check the connection's host and the network"
    return A360TransientError(request.method, request.path, None, reason)


def _body(response: requests.Response, until: float) -> bytes:
    chunks = []
    # Only urllib3's responses have `stream`; an adapter of the user may give any file, or the content itself.
    if hasattr(response.raw, "stream"):
        # Not iter_content, which waits until a chunk is full: a server that sends a byte a second would never end it.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            chunks.append(chunk)
            if time.monotonic() > until:
                raise TimeoutError
    # A hook or an adapter of the user may have read the body already; an adapter may give none.
    return b"".join(chunks) or response.content or b""
