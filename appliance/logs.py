"""Structured logs: one line an event, without secrets."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import Any

import structlog

log = structlog.get_logger()

_SECRET_FIELD = re.compile(
    r"password|passphrase|secret|token|private_key|data_key|recovery|cookie|authorization|^(config|configuration|code)$"
)
_SECRET_TEXTS = (
    # Tokens with a prefix that leak scanners know.
    re.compile(r"\bmw[a-z]_[A-Za-z0-9_-]{20,}"),
    # 32 bytes in base64 as in WireGuard, in hexadecimal, and in base64url as in links. The last has to look random, so
    # that long names of functions stay.
    re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="),
    re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])"),
    re.compile(r"(?<![\w-])(?=[\w-]*[0-9])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{43,}", re.ASCII),
    # Credentials of URLs and of Authorization headers.
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=bearer )\S+"),
)
ROUTINE = frozenset(
    (
        "a change is prepared again",
        "a letter was sent",
        "a self-signed certificate was made",
        "hub is ready",
        "hub starts",
        "organization enforced",
        "the front door is open",
    )
)
"""Events of every ordinary start and change; on a terminal they would bury the others."""
_REMOVED = "[removed]"
LONGEST = 10_000
"""Most characters of a text in the log, as callers may send longer ones: a path, for example, has tens of thousands."""
# Fields that a line of text shows elsewhere or not at all.
_NO_FACTS = frozenset(("event", "exception", "level", "process", "timestamp"))


class LogFormat(str, Enum):
    """Format of the log: JSON lines, or text for people; `AUTO` is text on a terminal and JSON elsewhere."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"

    @property
    def resolved(self) -> LogFormat:
        """Format to write in: `AUTO` is text on a terminal (standard error), and JSON elsewhere."""
        if self is not LogFormat.AUTO:
            return self
        return LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON


def remove_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove values of fields that are named like a secret, and texts that look like one (a structlog processor)."""
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
    # The renderer would make a text of any other object.
    text = value if isinstance(value, str) else repr(value)
    for pattern in _SECRET_TEXTS:
        text = pattern.sub(_REMOVED, text)
    return _shortened(text)


def _shortened(text: str) -> str:
    """Leave the middle of a long text out; a trace tells most at its end. Not before secrets are removed as a whole."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]} [{len(text) - 2 * half} characters left out] {text[-half:]}"


def _adds_process(process: str) -> structlog.typing.Processor:
    # Context variables would be lost in threads that other libraries start.
    def add_process(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add_process


def configure(process: str, form: LogFormat = LogFormat.AUTO) -> None:
    """Log to standard error, including uncaught exceptions.

    Args:
        process: name of this process in each event.
        form: format of the lines.
    """
    renderers: list[structlog.typing.Processor] = (
        [_drop_routine, _render_text] if form.resolved is LogFormat.TEXT else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            _adds_process(process),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Before secrets are removed, and without the variables that the console renderer shows.
            structlog.processors.format_exc_info,
            remove_secrets,
            *renderers,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def printable(text: str) -> str:
    """Escape the control characters of a text, apart from line ends, so that it can't steer a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def _drop_routine(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if event["level"] == "info" and event["event"] in ROUTINE:
        raise structlog.DropEvent
    return event


def _render_text(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """Render local time, event, and facts in brackets (a structlog renderer)."""
    facts = ", ".join(
        f"{key.replace('_', ' ')} {_formatted(value)}"
        for key, value in event.items()
        if key not in _NO_FACTS and value is not None
    )
    at = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).astimezone()
    level = "" if event["level"] == "info" else f"{event['level'].capitalize()}: "
    name = str(event["event"])
    line = f"{at:%H:%M:%S}  {level}{name[:1].upper() if not level else name[:1]}{name[1:]}"
    # Facts may come from callers, and must not begin a line.
    text = printable(f"{line}{f' ({facts})' if facts else ''}.".replace("\n", "\\n"))
    return text if event.get("exception") is None else f"{text}\n{printable(event['exception'])}"


def _formatted(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_formatted(each)}" for key, each in value.items())
    return ", ".join(map(_formatted, value)) if isinstance(value, list | tuple) else str(value)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("an uncaught exception ends the process", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        trace = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        name = getattr(failed.thread, "name", None)
        log.critical("an uncaught exception ends a thread", thread=name, exc_info=trace)
