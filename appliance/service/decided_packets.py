"""Packets that the rules of a policy decided about, by hour and by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import structlog

from appliance.hub.errors import HubError, HubUnreachable
from appliance.model.errors import Unavailable
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.store import decided_packets, organizations

log = structlog.get_logger()

HOUR, DAY = 1, 24
KEPT_HOURS: Mapping[int, int] = {HOUR: 7 * 24, DAY: 90 * 24}
"""Hours that steps are kept, by the length of a step in hours."""
_HOUR_S = 3600


@dataclass(frozen=True)
class Course:
    """Packets of one rule in steps of one length.

    Attributes:
        start: of the first step that is kept; UTC.
        step: length of a step.
        steps: packets of each step, the present one last.
    """

    start: datetime
    step: timedelta
    steps: tuple[int, ...]

    def begin(self, number: int) -> datetime:
        """Start of a step."""
        return self.start + number * self.step


def note(context: Context) -> int:
    """Store what every policy decided about in the last full hour, if that was not done yet.

    Organizations without a packet take no room. The hour in which this process started is not whole.

    Returns:
        Number of organizations with packets.
    """
    hour = _hour(context.clock())
    if not context.baselines.begin(hour):
        return 0
    with context.store.read() as transaction:
        enforced = organizations.enforced_ids(transaction)
    noted, can_store = 0, True
    for organization in enforced:
        try:
            counts = {each.rule: each for each in context.hub.counters(organization)}
        except HubUnreachable:
            # It would take its time for each of the others.
            break
        except HubError as error:
            log.warning("packets can't be counted", organization=organization, error=str(error))
            continue
        packets = context.baselines.compare(organization, counts)
        if packets and can_store:
            try:
                # A transaction for each, so that no save waits for all of them.
                _store(context, organization, hour - 1, packets)
                noted += 1
            except Unavailable:
                # It would take its time for each of the others. Their counts are kept all the same, for the next hour.
                can_store = False
            except Exception as error:
                # Broken rows of one organization must not keep the others from being counted.
                log.warning("packets can't be stored", organization=organization, error=str(error), exc_info=True)
    with context.store.write() as transaction:
        for length, kept in KEPT_HOURS.items():
            decided_packets.prune(transaction, length, _start(hour, length) - kept + length)
    if context.baselines.left_out:
        log.warning("packets of some organizations are not counted by hour", count=context.baselines.left_out)
    return noted


def courses(context: Context, actor: Actor, rule: str | None) -> tuple[Course, Course]:
    """Packets of a rule by hour and by day.

    Args:
        rule: the rule's id; None for the default.
    """
    hour = _hour(context.clock())
    found = []
    with context.store.read() as transaction:
        for length, kept in KEPT_HOURS.items():
            last = _start(hour, length)
            first = last - kept + length
            steps = decided_packets.load(transaction, actor.organization_id, length, first)
            packets = tuple(steps.get(start, {}).get(rule, 0) for start in range(first, last + 1, length))
            begin = datetime.fromtimestamp(first * _HOUR_S, timezone.utc)
            found.append(Course(begin, timedelta(hours=length), packets))
    return found[0], found[1]


def _store(context: Context, organization: str, hour: int, packets: Mapping[str | None, int]) -> None:
    with context.store.write() as transaction:
        # It may have been removed meanwhile.
        if organizations.find_locked(transaction, organization) is None:
            return
        for length in KEPT_HOURS:
            decided_packets.add(transaction, organization, length, _start(hour, length), packets)


def _hour(now: datetime) -> int:
    return int(now.timestamp()) // _HOUR_S


def _start(hour: int, length: int) -> int:
    return hour - hour % length
