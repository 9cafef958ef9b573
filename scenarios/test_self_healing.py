"""Connectivity and denial recover by themselves after forceful damage to the hub's state."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.drawn import defaults
from harness.overlay.machine import Machine
from harness.world.damage import (
    CATALOGUE,
    FAMILIES,
    FORCED_OPEN,
    KILLED,
    MISLED,
    REPORTED,
    RULES,
    UNMASKED,
    Barrier,
    Damage,
    Detection,
)
from harness.world.damagerun import INTERVAL_S, damage_run, wait_until_seen
from harness.world.inside import Inside
from harness.world.world import World
from netlab import UdpStream

pytestmark = [pytest.mark.claim("self-healing"), pytest.mark.conditions(loss="none")]

QUICK = 15
"""Kinds of damage that the quick profile does, one by one."""

PAIRS = {"quick": 3, "full": 25}
AT_ONCE = 20
"""Pairs of damage beside one pair of streams."""

_WAIT_S, _LONG_WAIT_S = 0.02, 0.3
_MISLED = 3


@pytest.mark.announces(*REPORTED, *KILLED)
def test_damage_is_mended_and_nothing_denied_gets_through(world: World, record: Record, profile: str) -> None:
    """Rules, routes, links, machines, namespaces, WireGuard, the front door and the service are damaged on the hub's
    host, and all is restored soon after.

    An allowed stream recovers, and not one packet of a denied one is delivered, neither meanwhile nor afterwards. One
    half of the damage is done under default allow, the other under default deny.
    """
    drawn = enumerate(defaults(random.Random(f"defaults {world.seed}"), 2))
    # Which damage is done under which default is drawn, and the order is not: more shows where the default denies.
    for part, default in sorted(drawn, key=lambda each: each[1], reverse=True):
        mesh = world.organization(record)
        machines = mesh.machines("mumbai", "pune", "kolkata")
        with damage_run(world, record, mesh, machines, default) as run:
            applying = [damage for damage in CATALOGUE if run.inside.is_possible(damage)]
            wanted = _quick_selection(applying, world.seed) if profile == "quick" else applying
            # All rules are loaded anew under both defaults.
            for damage in dict.fromkeys((RULES[0], *wanted[part::2])):
                stands = damage.detection is Detection.EVENT
                cut = run.shows_and_recovers(damage) if stands else run.recovers(damage)
                what = f"{damage}, default {default}" if damage is RULES[0] else str(damage)
                record.measure(f"{what}: cut for", cut, "s", limit=f"<= {run.within_s(damage):g}")
    record.measure("WireGuard of the hub", run.inside.wireguard)
    record.measure("kinds that do not apply to it", [str(each) for each in CATALOGUE if each not in applying])
    record.measure("kinds left to the full profile", [str(each) for each in applying if each not in wanted])
    record.at_least("kinds of damage", len(wanted), QUICK)


@pytest.mark.announces(*REPORTED, *KILLED)
def test_damage_of_two_kinds_at_once_is_mended(world: World, record: Record, profile: str) -> None:
    """Pairs of damage, drawn by the run's seed, are done one right after the other."""
    chance = random.Random(f"damage {world.seed}")
    worst, cause, left = 0.0, "", PAIRS[profile]
    while left:
        mesh = world.organization(record)
        machines = mesh.machines("mumbai", "pune", "kolkata")
        with damage_run(world, record, mesh, machines, chance.choice(("allow", "deny"))) as run:
            for first, second in _pairs(chance, run.inside, min(left, AT_ONCE), quick=profile == "quick"):
                cut = run.recovers(first, second)
                left -= 1
                if cut >= worst:
                    worst, cause = cut, f"{first} and {second}"
    record.measure("pairs of damage", PAIRS[profile])
    record.measure("the longest cut", worst, "s", limit=f"<= {Detection.RESTART.within_s(world.patience):g}")
    record.measure("cause of the longest cut", cause)


@pytest.mark.announces(*REPORTED)
def test_rules_opened_by_root_are_closed_again(world: World, record: Record) -> None:
    """Root on the hub's host lets a denied packet through. The time for which this lasts is measured, and it ends."""
    mesh = world.organization(record)
    mumbai, pune, kolkata = machines = mesh.machines("mumbai", "pune", "kolkata")
    inside = Inside(world.subject.installed, mesh, pune, mumbai)
    with UdpStream(kolkata.host, pune.host, pune.address, 0, interval_s=INTERVAL_S) as denied:
        with record.control("the stream flows before the rule"):
            denied.wait_delivery(denied.mark(), Detection.EVENT.value)
        denying = mesh.deny_under(_default(world, "barriers"), machines, kolkata, pune)
        closed = [(denying.answered_ns, 0)]
        for damage in FORCED_OPEN:
            before, start = inside.snapshot(), denied.mark()
            closed[-1] = (closed[-1][0], start)
            kolkata.fence()
            with inside.hub_suspended(), record.control(f"{damage}: this lets a denied packet through"):
                assert inside.apply(damage)
                denied.wait_delivery(start, damage.detection.value)
            attended = denied.mark()
            wait_until_seen(inside, before, damage.detection.value)
            whole = denied.mark()
            through = [each.sent_ns for each in denied.received() if attended <= each.sent_ns <= whole]
            open_for = (max(through, default=attended) - attended) / 1e9
            record.measure(f"{damage}: open for", open_for, "s", limit=f"<= {damage.detection.value}")
            closed.append((whole, 0))
        closed[-1] = (closed[-1][0], denied.mark())
        # What was sent until now met the hub before the next change.
        kolkata.fence()
        allowed = mesh.allow(kolkata, pune)
        with record.control("the stream flows when the rule is gone"):
            denied.wait_delivery(allowed.answered_ns, Detection.EVENT.value)
    late = [seq for start, end in closed for seq in denied.delivered_sent_in(start, end)]
    record.none_of(
        "packets delivered while no barrier was open",
        late,
        "a barrier that was forced open stayed open",
        of=sum(len(denied.sent_in(start, end)) for start, end in closed),
    )


@pytest.mark.announces(*REPORTED)
def test_a_machine_led_to_a_closed_port_reconnects(world: World, record: Record) -> None:
    """Packets that leave a damaged front door lead a machine's WireGuard to a port that is closed to it. WireGuard
    answers to the address that it heard from last, and has no other; the machine comes back all the same.
    """
    mesh = world.organization(record)
    mumbai, pune = machines = mesh.machines("mumbai", "pune")
    mesh.save_open(_default(world, "closed port"), machines)
    # Only our own service: the relay to a remote hub drops packets from another port, as NAT does.
    inside = Inside(world.subject.service, mesh, pune, mumbai)
    before = inside.snapshot()
    with record.control("both talk before"):
        assert mumbai.reaches(pune)
    endpoint = world.subject.peer_of(mesh.organization["endpoint"])
    with inside.hub_suspended(), record.control("the damage misleads a machine, and it reaches no other"):
        assert inside.apply(UNMASKED)
        start = time.monotonic()
        while [peer.endpoint for peer in mumbai.tunnel.peers()] == [endpoint]:
            assert time.monotonic() - start < UNMASKED.detection.value
            pune.reaches(mumbai, _WAIT_S)
        assert not mumbai.reaches(pune, _LONG_WAIT_S)
    limit = f"<= {Detection.EVENT.value}"
    record.measure("back by its session after", _finds_back(mumbai, pune, inside, before, endpoint), "s", limit=limit)
    longest = 0.0
    for _ in range(_MISLED):
        if not inside.apply(MISLED):
            raise Inconclusive(f"{MISLED}: the hub's host could not be damaged")
        longest = max(longest, _finds_back(mumbai, pune, inside, before, endpoint))
    record.measure("back by the handshake of a new link after", longest, "s", limit=limit)


def _finds_back(mumbai: Machine, pune: Machine, inside: Inside, before: str, endpoint: str) -> float:
    """Returns the seconds until all is restored and the machine talks through the public port."""
    start = time.monotonic()
    wait_until_seen(inside, before, Detection.EVENT.value)
    mumbai.wait_until_reaches(pune, Detection.EVENT.value)
    took = time.monotonic() - start
    if [peer.endpoint for peer in mumbai.tunnel.peers()] != [endpoint]:
        raise Refuted("a machine is back through another port than the public one")
    return took


@pytest.mark.restarts
def test_a_service_that_was_stopped_finds_its_machines_again(world: World, record: Record) -> None:
    """A stopped service leaves nothing on its host. Started again, it builds everything anew, and machines whose
    tunnels stayed up reach each other without doing anything.
    """
    mesh = world.organization(record)
    machines = mesh.machines("mumbai", "pune", "kolkata")
    with damage_run(world, record, mesh, machines, _default(world, "stop")) as run:
        start = run.allowed.expect_loss()
        world.subject.installed.stop()
        try:
            with record.control("nothing of the service is left on its host"):
                assert world.subject.host.run("ip", "netns", "list").stdout == ""
        finally:
            # Other scenarios need it running, whatever the result of this one.
            ready_after = world.subject.installed.start()
        record.measure("start to ready", ready_after, "s")
        whole = run.allowed.wait_until_whole(Detection.RESTART.within_s(world.patience))
        cut = run.allowed.outage(start, whole)
        record.measure("cut for", cut, "s")
        if not cut:
            raise Inconclusive("a stopped service cut nothing")
        run.denied.stays_stopped()


def _default(world: World, what: str) -> str:
    """Draws the default of a policy by the run's seed."""
    return random.Random(f"default beside {what} {world.seed}").choice(("allow", "deny"))


def _quick_selection(kinds: Sequence[Damage], seed: int) -> list[Damage]:
    """Returns the first kind of each family, others drawn by the seed, and one of each kind that takes long."""
    chance = random.Random(f"kinds {seed}")
    fast = [each for each in kinds if each.detection is Detection.EVENT]
    first = {family[0] for family in FAMILIES}
    chosen = {each for each in fast if each in first}
    chosen.update(chance.sample([each for each in fast if each not in first], QUICK - 2 - len(chosen)))
    for detection in (Detection.SWEEP, Detection.RESTART):
        chosen.add(chance.choice([each for each in kinds if each.detection is detection]))
    return [each for each in kinds if each in chosen]


def _pairs(chance: random.Random, inside: Inside, number: int, *, quick: bool) -> list[tuple[Damage, Damage]]:
    kinds = [
        each for each in CATALOGUE if inside.is_possible(each) and (each.detection is Detection.EVENT or not quick)
    ]
    # Another scenario forces both barriers open at once.
    pairs = [pair for pair in itertools.permutations(kinds, 2) if {each.barrier for each in pair} != set(Barrier)]
    return chance.sample(pairs, number)
