"""What can go wrong in the data plane."""

from __future__ import annotations

import os

import structlog

log = structlog.get_logger()


class HubError(Exception):
    """The data plane could not do it; whatever was begun has been undone, unless a subclass says otherwise."""


class NamespaceError(HubError):
    """A network namespace could not be made, entered or removed."""


class LinkError(HubError):
    """A WireGuard link could not be made, configured or asked."""


class RulesetError(HubError):
    """The kernel refused a set of rules; the one before stands."""


class NoBackend(HubError):
    """The host has none of the WireGuard implementations that were asked for."""


class Overtaken(HubError):
    """The organization is not, or not only, at the revision that a change was worked out from. Nothing was changed."""


class Occupied(HubError):
    """The organization is being changed at this moment."""


class Crowded(HubError):
    """An organization has too much work for the hub. Nothing was changed.

    Args:
        detail: one sentence for the organization's people.
        retry_after: seconds until another try makes sense.
    """

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class GivenUp(HubError):
    """Nobody waits for it any more: the caller is gone, or its time is over. Nothing was changed."""


class HubUnreachable(HubError):
    """The hub's process did not answer. A change that it was asked for does not take effect, or not for long."""


def reason(error: Exception) -> str:
    """The system's words for its refusal, whether a call or a netlink message met it."""
    number = getattr(error, "errno", None) or getattr(error, "code", None)
    return os.strerror(number) if isinstance(number, int) else str(error)


def complain(what: str, error: Exception, foreseen: tuple[type[Exception], ...] = (HubError,), **facts: object) -> None:
    """Log an error that its thread survives; one of another kind than these with its traceback."""
    log.error(what, error=str(error), exc_info=not isinstance(error, foreseen), **facts)
