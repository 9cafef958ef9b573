"""Logs: one line an event, and never a secret in it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_FIELDS = frozenset({"password", "private_key", "token", "secret", "unlock_secret", "config", "configuration"})
# A WireGuard key, or a session token, wherever in a text it stands.
_SECRET_TEXT = re.compile(r"\bmws_[A-Za-z0-9_-]{20,}|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
_REMOVED = "[removed]"


def remove_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: fields that name a secret, and texts that look like one, lose their value."""
    for key, value in event.items():
        if key in _SECRET_FIELDS:
            event[key] = _REMOVED
        elif isinstance(value, str):
            event[key] = _SECRET_TEXT.sub(_REMOVED, value)
    return event


def _naming(process: str) -> structlog.typing.Processor:
    # Context variables would be lost in the threads that other libraries start.
    def name_process(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return name_process


def configure(process: str) -> None:
    """Logs to standard error: for people where that is a terminal, as JSON elsewhere."""
    readable = sys.stderr.isatty()
    structlog.configure(
        processors=[
            _naming(process),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(() if readable else (structlog.processors.format_exc_info,)),
            remove_secrets,
            structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
