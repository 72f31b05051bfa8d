"""What is sent to the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Request(NamedTuple):
    """A path below the base URL, with its query, or with a body that goes as JSON."""

    method: str
    path: str
    params: Mapping[str, str | int] | None = None
    body: Mapping[str, str | int] | None = None
