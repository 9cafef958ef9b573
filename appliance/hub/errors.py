"""Errors of the data plane."""

from __future__ import annotations

import os

import structlog

log = structlog.get_logger()


class HubError(Exception):
    """An operation of the data plane failed and was undone, unless a subclass says otherwise."""


class NamespaceError(HubError):
    """A network namespace could not be created, entered or removed."""


class LinkError(HubError):
    """A WireGuard link could not be created, configured or read."""


class RulesetError(HubError):
    """The kernel refused a set of rules; the previous one stays in force."""


class RulesTooLarge(RulesetError):
    """The kernel's rules are larger than the caller's limit. Nothing was changed."""


class NoBackend(HubError):
    """The host has none of the requested WireGuard implementations."""


class Overtaken(HubError):
    """A change was computed from a revision that is outdated or already being changed. Nothing was changed."""


class Occupied(HubError):
    """Another change of the organization is in progress."""


class Crowded(HubError):
    """An organization has used up its share of the hub's time. Nothing was changed.

    Args:
        detail: one sentence for the organization's members.
        retry_after: seconds until another try makes sense.
    """

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class GivenUp(HubError):
    """The caller disconnected or its time ran out. Nothing was changed."""


class HubUnreachable(HubError):
    """The hub's process did not answer. A requested change does not take effect, or is reverted soon."""


class NotHere(HubUnreachable):
    """The hub that was asked is ending, or is another shard's. Nothing was changed."""


def reason(error: Exception) -> str:
    """Describe the system's refusal of a system call or a netlink message."""
    number = getattr(error, "errno", None) or getattr(error, "code", None)
    return os.strerror(number) if isinstance(number, int) else str(error)


def log_error(
    event: str, error: Exception, foreseen: tuple[type[Exception], ...] = (HubError,), **facts: object
) -> None:
    """Log an error that its thread survives; with a traceback unless the kind of error was foreseen."""
    log.error(event, error=str(error), exc_info=not isinstance(error, foreseen), **facts)
