"""Waits after wrong guesses grow."""

from __future__ import annotations

from itertools import pairwise

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.world.person import Person
from harness.world.world import World

pytestmark = [pytest.mark.claim("sign-in"), pytest.mark.restarts]

WRONG = "a wrong guess at it"
# What is advertised.
AT_ONCE, MOST_A_DAY = 5, 100
# 29 minutes, rounded.
LONGEST_S = 28.5 * 60
_HOURS = {"quick": 2, "full": 24}
_TOLERANCE_S = 5.0
"""Seconds by which the machine may delay an answer, and the wait that it tells is shorter; multiplied by patience."""


def test_waits_after_wrong_guesses_grow(world: World, person: Person, record: Record, profile: str) -> None:
    """A stranger guesses at a password as often as the answers let, for hours by the service's clocks. No wait is
    shorter than the one before, the last ones take half an hour, and few guesses are checked.
    """
    waits, tolerance = list[int](), _TOLERANCE_S * world.patience
    with world.subject.service.turned() as clock:
        checked = 0
        with record.control("the first guesses are checked, and the next one is not"):
            while (answer := person.log_in(WRONG)).status == 401 and checked <= 3 * AT_ONCE:
                checked += 1
            assert checked >= AT_ONCE
            assert answer.status == 429
        while sum(waits) < 3600 * _HOURS[profile] and checked <= MOST_A_DAY:
            if answer.status == 401:
                checked += 1
            elif answer.status == 429 and int(answer.headers["Retry-After"]) > 0:
                waits.append(int(answer.headers["Retry-After"]))
                clock.let_pass(waits[-1])
            else:
                raise Refuted(f"a wrong guess was answered {answer.status} {answer.headers.get('Retry-After')}")
            answer = person.log_in(WRONG)
    # The service forgets the guesses with its end.
    person.api.token = person.session().token
    record.measure("hours of guessing", sum(waits) / 3600, "h")
    record.measure("guesses that were checked", checked, limit=f"<= {MOST_A_DAY}")
    record.measure("longest wait", max(waits), "s", limit=f">= {LONGEST_S - tolerance:.0f}")
    if checked > MOST_A_DAY:
        raise Refuted(f"{checked} wrong passwords were checked within {sum(waits) / 3600:.1f} hours")
    if max(waits) < LONGEST_S - tolerance:
        raise Refuted(f"the longest wait after {checked} wrong passwords was {max(waits)} s")
    shorter = [(before, wait) for before, wait in pairwise(waits) if wait < before - tolerance]
    record.none_of("waits shorter than the one before", shorter, "waits do not grow", of=len(waits))
