"""The connections to the service's host."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter

from airflow_provider_a360 import __version__
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.settings import Settings

if TYPE_CHECKING:
    from airflow_provider_a360.api.transport import Request


class Wire(HTTPAdapter):
    """requests' own connections, with its proxies and certificates, but without what a Session does around each
    request: none of it is needed here, and it takes longer than the rest.

    Raises: A360ConfigError for a proxy that is no URL and for a bundle of certificates that isn't there.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(pool_maxsize=settings.max_in_flight)
        session = requests.Session()
        session.headers["User-Agent"] = f"airflow-provider-a360/{__version__}"
        # The environment is asked once for proxies and certificates, and never for a .netrc, which would take the
        # place of the bearer.
        environment = session.merge_environment_settings(settings.base_url, {}, None, None, None)
        session.trust_env = False
        verify = environment["verify"]
        # To this machine itself, http is allowed: a proxy would read the secret.
        proxies = {} if settings.is_local else environment["proxies"]
        try:
            request = session.prepare_request(requests.Request("GET", settings.base_url))
            pool = self.get_connection_with_tls_context(request, verify, proxies)
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, TypeError):
            # Not shown: a proxy's URL may hold a password.
            raise A360ConfigError(
                "The base URL or the proxy is not a valid URL: see the connection's host and the environment "
                "variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY."
            ) from None
        try:
            self.cert_verify(pool, settings.base_url, verify, None)  # type: ignore[no-untyped-call]
        except OSError as error:
            raise A360ConfigError(f"{error}: see the environment variable REQUESTS_CA_BUNDLE.") from None
        self._pool = cast("urllib3.HTTPConnectionPool", pool)
        self._base = self.request_url(request, proxies).rstrip("/")
        self._headers = dict(request.headers)
        self._timeout = urllib3.Timeout(connect=settings.connect_timeout, read=settings.read_timeout)

    def ask(self, request: Request, bearer: str | None) -> urllib3.BaseHTTPResponse:
        """The answer, its body still to be read; redirects are not followed.

        Raises: urllib3's HTTPError and OSError.
        """
        headers = {**self._headers}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        return self._pool.urlopen(
            request.method,
            self._base + request.path + (f"?{urlencode(request.params)}" if request.params else ""),
            body=None if request.body is None else msgspec.json.encode(request.body),
            headers=headers,
            timeout=self._timeout,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
        )
