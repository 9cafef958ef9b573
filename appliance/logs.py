"""Logs: one line an event, and never a secret in it."""

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
# What is told of each ordinary start and change; for people, who look at a terminal, it would bury the rest.
_ROUTINE = frozenset(
    (
        "a change is worked out anew",
        "a letter was sent",
        "a self-signed certificate was made",
        "hub is ready",
        "hub starts",
        "organization enforced",
        "the front door is open",
    )
)
_REMOVED = "[removed]"
_TOLD_APART = frozenset(("event", "exception", "level", "process", "timestamp"))


class LogFormat(str, Enum):
    """The form of a log: one JSON object a line, or words; `AUTO` is words on a terminal and JSON elsewhere."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"

    @property
    def settled(self) -> LogFormat:
        """This format, where `AUTO` becomes what standard error of this process calls for."""
        if self is not LogFormat.AUTO:
            return self
        return LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON


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


def configure(process: str, form: LogFormat = LogFormat.AUTO) -> None:
    """Log to standard error, also what nobody catches."""
    renderers: list[structlog.typing.Processor] = (
        [_drop_routine, _in_words] if form.settled is LogFormat.TEXT else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            _naming(process),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # As text before secrets are removed: what the console makes of it shows variables.
            structlog.processors.format_exc_info,
            remove_secrets,
            *renderers,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    sys.excepthook = _process_fails
    threading.excepthook = _thread_fails


def printable(text: str) -> str:
    """A text whose characters that steer a terminal are escaped; only its line ends stay."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def _drop_routine(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if event["level"] == "info" and event["event"] in _ROUTINE:
        raise structlog.DropEvent
    return event


def _in_words(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """A structlog renderer for people: the time here, what happened, and the facts in brackets."""
    facts = ", ".join(
        f"{key.replace('_', ' ')} {_shown(value)}"
        for key, value in event.items()
        if key not in _TOLD_APART and value is not None
    )
    at = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).astimezone()
    urgency = "" if event["level"] == "info" else f"{event['level'].capitalize()}: "
    what = str(event["event"])
    line = f"{at:%H:%M:%S}  {urgency}{what[:1].upper() if not urgency else what[:1]}{what[1:]}"
    # A text of somebody's must not begin a line.
    told = printable(f"{line}{f' ({facts})' if facts else ''}.".replace("\n", "\\n"))
    return told if event.get("exception") is None else f"{told}\n{printable(event['exception'])}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(each)}" for key, each in value.items())
    return ", ".join(map(_shown, value)) if isinstance(value, list | tuple) else str(value)


def _process_fails(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the process ends by a fault", exc_info=(kind, error, trace))


def _thread_fails(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        trace = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        log.critical("a thread ends by a fault", thread=getattr(failed.thread, "name", None), exc_info=trace)
