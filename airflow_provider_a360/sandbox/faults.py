"""Faults between client and service: the rate limit, error responses and broken bodies."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from time import monotonic
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Send

from airflow_provider_a360.sandbox.options import SandboxOptions

_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_NOT_FOUND = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"
_NOT_JSON = "<html><body>We are updating the service and will be back in a minute.</body></html>"
_BODY_FAULTS = ("truncated", "html", "reset", "stall")


class RateLimit:
    """Limit the requests within any one second. Refused requests don't count.

    :param options: the sandbox's options, of which `requests_per_second` and `rate_limit_style` are used
    """

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._passed: deque[float] = deque()

    def exceeded(self) -> bool:
        """Count a request.

        :return: whether the request is over the limit
        """
        most, now = self._options.requests_per_second, monotonic()
        if not most:
            return False
        while self._passed and self._passed[0] <= now - 1:
            self._passed.popleft()
        if len(self._passed) >= most:
            return True
        self._passed.append(now)
        return False

    def response(self) -> Response:
        """Return the response to a request over the limit, in the style of the option `rate_limit_style`."""
        style = self._options.rate_limit_style
        if style.startswith("2020202020"):
            return JSONResponse({"message": "Too many requests", "error_code": 2020202020}, int(style[-3:]))
        headers = {}
        if style == "429-seconds":
            headers["Retry-After"] = "1"
        elif style == "429-date":
            # An HTTP date has no fractions of a second, so one second from now could already be over.
            headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        return JSONResponse({"message": "Too many requests", "error_code": 429}, 429, headers)


class Faults:
    """Choose the faults of requests. Only the seed and the number of a request decide.

    :param options: the sandbox's options, which say how often each fault happens
    :param seed: decides which requests are affected
    """

    def __init__(self, options: SandboxOptions, seed: int) -> None:
        self._options = options
        self._seed = seed
        self._limit = RateLimit(options)

    def early_response(self, number: int, method: str, path: str) -> Response | None:
        """Return an error response that replaces the service's own.

        :param number: the number of the request, from 1
        :param method: the HTTP method
        :param path: the path of the request
        :return: the response, or None if the service answers itself
        """
        if self._limit.exceeded() or self._hits(number, "429", self._options.share_429):
            return self._limit.response()
        if self._hits(number, "5xx", self._options.share_5xx):
            return HTMLResponse(_BAD_GATEWAY, 502)
        if path == "/oauth/access_token" and self._hits(number, "token", self._options.share_token_502):
            return HTMLResponse(_BAD_GATEWAY, 502)
        if method == "GET" and self._hits(number, "html_404", self._options.share_html_404):
            return HTMLResponse(_NOT_FOUND, 404)
        return None

    def body_fault(self, number: int) -> str | None:
        """Return the fault of the response's body.

        :param number: the number of the request, from 1
        :return: "truncated", "html", "reset" or "stall"; None for no fault
        """
        return next(
            (name for name in _BODY_FAULTS if self._hits(number, name, getattr(self._options, f"share_{name}"))), None
        )

    def _hits(self, number: int, name: str, share: float) -> bool:
        return share > 0 and Random(f"{self._seed}/{number}/{name}").random() < share

    async def send(self, response: Response, fault: str | None, receive: Receive, send: Send) -> None:
        """Send a response with a fault.

        :param response: the whole response
        :param fault: a result of `body_fault`
        :param receive: the ASGI callable of the request
        :param send: the ASGI callable of the response
        """
        if fault == "html":
            response = HTMLResponse(_NOT_JSON)
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        body = bytes(response.body)
        if fault in {None, "html"}:
            await send({"type": "http.response.body", "body": body})
            return
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        if fault == "stall":
            await asyncio.sleep(self._options.stall_seconds)
            await send({"type": "http.response.body", "body": body[half:]})
            return
        # ASGI can't abort a connection, so use the transport of uvicorn.
        transport: Any = send.__self__.transport  # type: ignore[attr-defined]
        if fault == "reset":
            # Wait until the client has read the first half, because a reset discards what it hasn't read.
            await asyncio.sleep(0.01)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass
