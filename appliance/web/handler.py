"""Handlers of requests to a path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.web.request import Request
from appliance.web.response import Response


@dataclass(frozen=True)
class Handler:
    """Method and path of requests, with the function that answers them.

    Attributes:
        path: rule of bottle's router, with ``<name>`` for variable parts.
    """

    method: str
    path: str
    answer: Callable[[Request], Response]
