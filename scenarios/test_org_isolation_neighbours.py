"""An ordinary organization beside a hostile one: its packets arrive, its calls are answered, its people can log in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from harness.hostile import attacks
from harness.hostile.neighbour import Neighbour
from harness.hostile.reads import AnswerCount
from harness.judging.record import Record
from harness.world.world import World

pytestmark = [
    pytest.mark.claim("org-isolation"),
    pytest.mark.exclusive,
    pytest.mark.conditions(outside="IPv4", loss="none", reorder="none"),
]

SECONDS = {"quick": 2.0, "full": 6.0}
RULES = {"quick": 4_000, "full": 13_000}


def test_a_tenant_that_floods_the_front_door_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """One organization sends a thousand handshakes per second, and another's new machines complete handshakes
    meanwhile.
    """
    neighbour = Neighbour(world, record)
    attack = attacks.flood_the_front_door(world, record)
    sent = neighbour.judge(attack, SECONDS[profile], newcomers=1)
    began = min(each.initiations for each in sent)
    record.at_least("handshakes that the hostile tenant began, in a turn", began, 500, "messages")


def test_a_tenant_that_saves_costly_policies_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """One organization saves over four connections: policies near the bound of cost, larger ones, and single rules."""
    neighbour = Neighbour(world, record)
    counts = neighbour.judge(attacks.save_costly_policies(world, record), SECONDS[profile])
    answers = _answers(counts)
    record.measure("answers to the hostile tenant", str(dict(answers)))
    enforced = answers["200"] + answers["201"]
    record.at_least("saves of the hostile tenant that were enforced", enforced, 2, "saves")


def test_a_tenant_that_reads_in_a_loop_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """One organization reads its long policy, its counters and its audit trail over 24 connections."""
    neighbour = Neighbour(world, record)
    counts = neighbour.judge(attacks.read_in_a_loop(world, record, RULES[profile]), SECONDS[profile])
    answers = _answers(counts)
    record.measure("answers to the hostile tenant", str(dict(answers)))
    record.at_least("answers to the hostile tenant, of any kind", answers.total(), 20, "answers")


def test_a_tenant_that_opens_connections_holds_up_no_other(world: World, record: Record, profile: str) -> None:
    """One machine opens thousands of connections per second with itself, so that the hub has to track them."""
    neighbour = Neighbour(world, record)
    opened = neighbour.judge(attacks.open_connections(world, record), SECONDS[profile], newcomers=1)
    least = min(each.connections for each in opened)
    record.at_least("connections that the hostile machine opened, in a turn", least, 1000, "connections")


def _answers(counts: Iterable[AnswerCount]) -> Counter[str]:
    """Returns the number of answers in all turns, by status."""
    found: Counter[str] = Counter()
    for each in counts:
        found.update(each.answers)
    return found
