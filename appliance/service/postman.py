"""Delivery of queued letters to the relay, one after the other, with retries; organizations take turns."""

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
    """Mail relay as the postman calls it; `appliance.mail.Relay` implements it."""

    def send(self, letter: Letter) -> None: ...


def pause_after(attempt: int) -> timedelta:
    """Pause after a failed attempt; all attempts together take about 18 hours.

    Args:
        attempt: its number, from 1.
    """
    return min(_FIRST_PAUSE * pow(4.0, min(attempt, MOST_ATTEMPTS) - 1), LONGEST_PAUSE)


Admission = Callable[[QueuedLetter, Letter], bool]
"""Decides whether a letter may be sent; called once for each letter."""


def _all(queued: QueuedLetter, letter: Letter) -> bool:
    del queued, letter
    return True


def deliver_one(
    context: Context, relay: RelayPort, composers: Mapping[str, Composer], admits: Admission = _all
) -> bool:
    """Try to send one letter that is due; False if none is.

    A letter is claimed before it is sent and dropped afterwards: after a crash in between, it is sent again later, with
    another link.

    Args:
        admits: decides whether to send a letter or drop it. A drop is not reported to anybody, as that would tell a
            stranger how much mail somebody gets.
    """
    with context.store.read() as transaction:
        now = context.clock()
        waiting = mail.waiting(transaction, now)
        queued = mail.next_due(transaction, now, context.letter_turns.next(waiting)) if waiting else None
    if queued is None:
        return False
    attempt = queued.attempts + 1
    if attempt > MOST_ATTEMPTS:
        # Each attempt failed before the relay was asked, or the process ended in it.
        log.error("a letter was given up", reason="it could not be written", **_facts(queued))
        with context.store.write() as transaction:
            mail.drop(transaction, queued)
        return True
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
    facts = _facts(queued)
    if letter is not None and attempt == 1 and not admits(queued, letter):
        log.warning("a letter was dropped: too many by this sender or to this recipient", **facts)
    elif letter is not None:
        try:
            relay.send(letter)
        except Unreachable as error:
            if attempt < MOST_ATTEMPTS:
                log.warning("a letter is tried again later", reason=str(error), **facts)
                return
            log.error("a letter was given up", reason=str(error), **facts)
        except Undeliverable as error:
            log.error("a letter was given up", reason=str(error), **facts)
        else:
            log.info("a letter was sent", **facts)
    with context.store.write() as transaction:
        mail.drop(transaction, queued)


def _facts(queued: QueuedLetter) -> dict[str, object]:
    """List facts for the log; neither they nor the reasons contain the person or the text."""
    return {"kind": queued.kind, "organization": queued.organization_id, "attempt": queued.attempts + 1}
