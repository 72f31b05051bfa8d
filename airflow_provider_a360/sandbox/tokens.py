"""Who may ask: client credentials that buy short-lived tokens, and a static API key."""

from __future__ import annotations

import secrets
from time import monotonic
from typing import Any

from airflow_provider_a360.sandbox.options import SandboxOptions
from airflow_provider_a360.sandbox.queries import StatusError

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  (opens nothing but the sandbox)
API_KEY = "sp_apikey_sandbox"


class Tokens:
    """The tokens that a sandbox has given out. Their life is real seconds, whatever the account's clock says."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._ends: dict[str, float] = {}
        self._uses: dict[str, int] = {}

    def issue(self, form: dict[str, Any]) -> dict[str, Any]:
        """The answer of `POST /oauth/access_token`."""
        if form.get("grant_type") != "client_credentials":
            raise StatusError(400, {"error": "unsupported_grant_type", "message": "The grant type is not supported."})
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise StatusError(401, {"error": "invalid_client", "message": "Client authentication failed"})
        token = secrets.token_hex(20)
        self._ends[token] = monotonic() + self._options.token_life
        self._uses[token] = 0
        return {"access_token": token, "token_type": "Bearer", "expires_in": int(self._options.token_life)}

    def admit(self, authorization: str) -> bool:
        """Whether a request with that header is let in; counts as one use of its token."""
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
        """Let no token that was given out so far be valid."""
        self._ends.clear()
