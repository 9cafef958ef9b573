"""Logs: one line an event, and never a secret in it."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any

import structlog

log = structlog.get_logger()

_SECRET_FIELD = re.compile(
    r"password|passphrase|secret|token|private_key|data_key|recovery|cookie|authorization|^(config|configuration|code)$"
)
_SECRET_TEXTS = (
    # What has a prefix by which leak scanners know it.
    re.compile(r"\bmw[a-z]_[A-Za-z0-9_-]{20,}"),
    # 32 bytes as WireGuard writes a key, in hexadecimal, and as a link has them. The last has to look random, or long
    # names of functions would go too.
    re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="),
    re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])"),
    re.compile(r"(?<![\w-])(?=[\w-]*[0-9])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{43,}", re.ASCII),
    # The password of a URL, and what a caller shows of himself.
    re.compile(r"(?<=://)[^\s/@]*:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=bearer )\S+"),
)
FOR_PEOPLE = "MESHWG_LOG_FOR_PEOPLE"
"""Set in the environment of a process whose standard error another one passes on to a terminal."""
_REMOVED = "[removed]"


def remove_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: fields that name a secret, and texts that look like one, lose their value."""
    for key, value in event.items():
        event[key] = _cleaned(key, value)
    return event


def _cleaned(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_FIELD.search(key):
        return _REMOVED
    if isinstance(value, Mapping):
        return {str(name): _cleaned(str(name), each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned("", each) for each in value]
    # Whatever else it is, the renderer would make it a text.
    text = value if isinstance(value, str) else repr(value)
    for pattern in _SECRET_TEXTS:
        text = pattern.sub(_REMOVED, text)
    return text


def _naming(process: str) -> structlog.typing.Processor:
    # Context variables would be lost in the threads that other libraries start.
    def name_process(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return name_process


def configure(process: str) -> None:
    """Logs to standard error: for people where that is a terminal, as JSON elsewhere. What nobody catches, too."""
    structlog.configure(
        processors=[
            _naming(process),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # As text before secrets are removed: what the console makes of it shows variables.
            structlog.processors.format_exc_info,
            remove_secrets,
            structlog.dev.ConsoleRenderer() if is_for_people() else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    sys.excepthook = _process_fails
    threading.excepthook = _thread_fails


def is_for_people() -> bool:
    """Whether somebody looks at it, at a terminal of this process or of the one that passes on what it says."""
    return sys.stderr.isatty() or FOR_PEOPLE in os.environ


def _process_fails(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the process ends by a fault", exc_info=(kind, error, trace))


def _thread_fails(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        trace = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        log.critical("a thread ends by a fault", thread=getattr(failed.thread, "name", None), exc_info=trace)
