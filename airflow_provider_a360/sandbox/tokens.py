"""Authentication: access tokens for client credentials, and a static API key."""

from __future__ import annotations

import secrets
from time import monotonic
from typing import Any

from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.queries import StatusError

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  (only valid in the sandbox)
API_KEY = "sp_apikey_sandbox"


class Tokens:
    """Issue access tokens and check them.

    Tokens expire by real time, even if the account's clock stands still.

    :param options: the sandbox's options, of which `token_life` and `token_requests` are used
    """

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._ends: dict[str, float] = {}
        self._uses: dict[str, int] = {}

    def issue(self, form: dict[str, Any]) -> dict[str, Any]:
        """Return the response body of `POST /oauth/access_token`.

        :param form: the fields of the request
        :return: a new access token and its lifetime in seconds
        :raises StatusError: the grant type is not supported (400) or the credentials are wrong (401)
        """
        if form.get("grant_type") != "client_credentials":
            raise StatusError(400, {"error": "unsupported_grant_type", "message": "The grant type is not supported."})
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise StatusError(401, {"error": "invalid_client", "message": "Client authentication failed"})
        token = secrets.token_hex(20)
        self._ends[token] = monotonic() + self._options.token_life
        self._uses[token] = 0
        return {"access_token": token, "token_type": "Bearer", "expires_in": int(self._options.token_life)}

    def admit(self, authorization: str) -> bool:
        """Check the `Authorization` header of a request, and count the request as a use of its token.

        :param authorization: the value of the header
        :return: whether it contains the API key or a valid access token
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        if token == API_KEY:
            return True
        if self._ends.get(token, 0.0) <= monotonic():
            return False
        self._uses[token] += 1
        return not self._options.token_requests or self._uses[token] <= self._options.token_requests

    def revoke(self) -> None:
        """Revoke every access token issued so far."""
        self._ends.clear()
