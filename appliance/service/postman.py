"""Takes letters from the queue to the relay, one after the other, and comes again where the relay is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

import structlog

from appliance.mail import Undeliverable, Unreachable
from appliance.model.letters import Letter
from appliance.service.context import Context
from appliance.service.mail import Composer
from appliance.store import mail
from appliance.store.mail import QueuedLetter

log = structlog.get_logger()

MOST_ATTEMPTS = 8
_FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)


class RelayPort(Protocol):
    """What takes letters; `appliance.mail.Relay` is one."""

    def send(self, letter: Letter) -> None: ...


def pause_after(attempt: int) -> timedelta:
    """How long a letter waits after its attempt of this number, from 1; all of them take about 18 hours."""
    return min(_FIRST_PAUSE * pow(4.0, attempt - 1), LONGEST_PAUSE)


Admission = Callable[[QueuedLetter, Letter], bool]
"""Tells whether a letter may go out; asked once for each letter."""


def _all(queued: QueuedLetter, letter: Letter) -> bool:
    del queued, letter
    return True


def deliver_one(
    context: Context, relay: RelayPort, composers: Mapping[str, Composer], admits: Admission = _all
) -> bool:
    """Tries one letter that is due. False where none is.

    A letter is claimed before it is sent and dropped afterwards: a process that is killed in between sends it once
    more later, with another link.

    Args:
        admits: a letter that it does not admit is dropped, and neither its sender nor anybody else is told: that would
            tell a stranger how much mail somebody gets.
    """
    with context.store.read() as transaction:
        queued = mail.next_due(transaction, context.clock())
    if queued is None:
        return False
    attempt = queued.attempts + 1
    with context.store.write() as transaction:
        is_ours = mail.claim(transaction, queued, context.clock() + pause_after(attempt))
    if is_ours:
        _deliver(context, relay, composers[queued.kind], queued, attempt, admits)
    return True


def _deliver(
    context: Context, relay: RelayPort, compose: Composer, queued: QueuedLetter, attempt: int, admits: Admission
) -> None:
    with context.store.write() as transaction:
        letter = compose(context, transaction, queued.about)
    # The reasons name neither the person nor what was written.
    facts = {"kind": queued.kind, "organization": queued.organization_id, "attempt": attempt}
    if letter is not None and attempt == 1 and not admits(queued, letter):
        log.warning("a letter was dropped, as its recipient or its sender had too many", **facts)
    elif letter is not None:
        try:
            relay.send(letter)
        except Unreachable as error:
            if attempt < MOST_ATTEMPTS:
                log.warning("a letter waits", reason=str(error), **facts)
                return
            log.error("a letter was given up", reason=str(error), **facts)
        except Undeliverable as error:
            log.error("a letter was given up", reason=str(error), **facts)
        else:
            log.info("a letter was sent", **facts)
    with context.store.write() as transaction:
        mail.drop(transaction, queued)
