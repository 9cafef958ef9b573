"""Connectivity and denial recover by themselves after forceful damage to the hub's state."""

from __future__ import annotations

import difflib
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.mesh import Machine, Mesh
from harness.overlay.outage import HealthStream
from harness.world.damage import (
    CATALOGUE,
    FAMILIES,
    FORCED_OPEN,
    MISLED,
    REPORTED,
    UNMASKED,
    Barrier,
    Damage,
    Detection,
)
from harness.world.inside import Inside
from harness.world.world import World
from netlab import UdpStream, wait_until

pytestmark = pytest.mark.claim("self-healing")

QUICK = 15
"""Kinds of damage that the quick profile does, one by one."""

PAIRS = {"quick": 3, "full": 25}
AT_ONCE = 20
"""Pairs of damage beside one pair of streams."""

INTERVAL = 0.001
_POLL, _LONGEST_POLL = 0.02, 0.3
_MISLED = 3
_WAY_NS = 10_000_000
"""Ten times as long as a packet takes: one that is under way when the barrier is forced passes."""


@dataclass(frozen=True)
class DamageRun:
    """A mesh of three machines with an allowed and a denied stream, whose hub is damaged.

    Attributes:
        inside: the hub on its host.
        allowed: stream that has to recover.
        denied: stream that must never arrive.
        before: output of the host's tools before any damage.
    """

    world: World
    record: Record
    machines: Sequence[Machine]
    inside: Inside
    allowed: HealthStream
    denied: JudgedStream
    before: str

    def shows_and_recovers(self, damage: Damage) -> float:
        """Damages the hub while it is stopped, shows the effect, and lets the hub go on.

        Returns:
            Seconds for which the allowed stream was cut from then on.

        Raises:
            Refuted: something does not recover in time, or a denied packet was delivered.
            Inconclusive: the damage could not be done, or had no effect.
        """
        begin = self.allowed.expect_loss()
        with self.inside.hub_suspended():
            self._suffer(damage)
            arrived = self.allowed.count_delivered(self.within_s(damage))
            if damage.cuts and arrived:
                raise Inconclusive(f"{damage}: {arrived} packets arrived all the same, so it had no effect")
        return self._check_recovery(begin, (damage,))

    def within_s(self, damage: Damage) -> float:
        """Returns the seconds that recovery may take on this machine."""
        return damage.detection.within_s(self.world.patience)

    def recovers(self, *damages: Damage) -> float:
        """Damages the running hub in several ways one right after another; a later damage may find nothing left to
        damage.

        Returns:
            Seconds for which the allowed stream was cut.

        Raises:
            Refuted: something does not recover in time, or a denied packet was delivered.
            Inconclusive: the first damage could not be done.
        """
        begin = self.allowed.expect_loss()
        self._suffer(*damages)
        return self._check_recovery(begin, damages)

    def _suffer(self, first: Damage, *others: Damage) -> None:
        if not self.inside.apply(first):
            raise Inconclusive(f"{first}: the hub's host could not be damaged")
        for other in others:
            self.inside.apply(other)

    def _check_recovery(self, begin: int, damages: Sequence[Damage]) -> float:
        start, deadline_s = self.allowed.expect_loss(), max(map(self.within_s, damages))
        try:
            # Packets first, because reading the host's state costs more time. The last repair may cut them once more.
            self.allowed.wait_until_whole(deadline_s)
            wait_until_seen(self.inside, self.before, deadline_s)
            whole = self.allowed.wait_until_whole(deadline_s)
            mumbai, *others = self.machines
            for other in others:
                other.wait_until_reaches(mumbai, deadline_s)
            self.denied.stays_stopped()
            if any(damage.detection is Detection.RESTART for damage in damages):
                self._wait_until_ready(deadline_s)
        except Refuted as error:
            raise Refuted(f"{' and '.join(map(str, damages))}: {error}") from error
        for damage in damages:
            self.inside.undo(damage)
        self.record.happened(" and ".join(map(str, damages)), begin, whole)
        return self.allowed.outage(start, whole)

    def _wait_until_ready(self, deadline_s: float) -> None:
        if not wait_until(self.world.subject.installed.is_ready, deadline_s, _POLL):
            raise Refuted(f"the service is not back after {deadline_s:.0f} s")


@contextmanager
def damage_run(world: World, record: Record, mesh: Mesh, machines: Sequence[Machine]) -> Iterator[DamageRun]:
    """Runs streams from the first machine (allowed) and the third (denied) to the second, with controls before and
    after.
    """
    mumbai, pune, kolkata = machines
    # An emulated processor can't start a service beside a thousand packets per second.
    interval = INTERVAL * world.patience
    denied = kolkata.stream_to(pune, interval=interval)
    with HealthStream(mumbai, pune, record, interval, beside=denied) as allowed, denied:
        with record.control("both streams flow before the rule and the damage"):
            allowed.wait_until_whole(Detection.EVENT.value)
            denied.flows()
        denied.stops(mesh.deny(kolkata, pune))
        inside = Inside(world.subject.installed, mesh, pune, mumbai)
        yield DamageRun(world, record, machines, inside, allowed, denied, inside.snapshot())
        denied.stays_stopped()
        with record.control("the denied stream flows when the rule is gone"):
            denied.flows(mesh.allow(kolkata, pune))


@pytest.mark.announces(*REPORTED)
def test_damage_is_mended_and_nothing_denied_gets_through(world: World, record: Record, profile: str) -> None:
    """Rules, routes, links, machines, namespaces, WireGuard, the front door and the service are damaged on the hub's
    host, and all is restored soon after.

    An allowed stream recovers, and not one packet of a denied one is delivered, neither meanwhile nor afterwards.
    """
    mesh = world.organization(record)
    machines = mesh.machines("mumbai", "pune", "kolkata")
    with damage_run(world, record, mesh, machines) as run:
        applying = [damage for damage in CATALOGUE if run.inside.is_possible(damage)]
        wanted = _quick_selection(applying, world.seed) if profile == "quick" else applying
        for damage in wanted:
            stands = damage.detection is Detection.EVENT
            cut = run.shows_and_recovers(damage) if stands else run.recovers(damage)
            record.measure(f"{damage}: cut for", cut, "s", limit=f"<= {run.within_s(damage):g}")
    record.measure("WireGuard of the hub", run.inside.wireguard)
    record.measure("kinds that do not apply to it", [str(each) for each in CATALOGUE if each not in applying])
    record.measure("kinds left to the full profile", [str(each) for each in applying if each not in wanted])
    record.at_least("kinds of damage", len(wanted), QUICK)


@pytest.mark.announces(*REPORTED)
def test_damage_of_two_kinds_at_once_is_mended(world: World, record: Record, profile: str) -> None:
    """Pairs of damage, drawn by the run's seed, are done one right after the other."""
    mesh = world.organization(record)
    machines = mesh.machines("mumbai", "pune", "kolkata")
    chance = random.Random(f"damage {world.seed}")
    worst, cause, left = 0.0, "", PAIRS[profile]
    while left:
        with damage_run(world, record, mesh, machines) as run:
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
    mumbai, pune, kolkata = mesh.machines("mumbai", "pune", "kolkata")
    inside = Inside(world.subject.installed, mesh, pune, mumbai)
    with UdpStream(kolkata.host, pune.host, pune.address, 0, interval_s=INTERVAL) as denied:
        with record.control("the stream flows before the rule"):
            denied.wait_delivery(denied.mark(), Detection.EVENT.value)
        closed = [(mesh.deny(kolkata, pune).answered_ns, 0)]
        for damage in FORCED_OPEN:
            before, start = inside.snapshot(), denied.mark()
            closed[-1] = (closed[-1][0], start)
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
        allowed = mesh.allow(kolkata, pune)
        closed[-1] = (closed[-1][0], allowed.requested_ns)
        with record.control("the stream flows when the rule is gone"):
            denied.wait_delivery(allowed.answered_ns, Detection.EVENT.value)
    late = [seq for start, end in closed for seq in denied.delivered_sent_in(start, end - _WAY_NS)]
    record.none_of("packets delivered while no barrier was open", late, "a barrier that was forced open stayed open")


@pytest.mark.announces(*REPORTED)
def test_a_machine_led_to_a_closed_port_reconnects(world: World, record: Record) -> None:
    """Packets that leave a damaged front door lead a machine's WireGuard to a port that is closed to it. WireGuard
    answers to the address that it heard from last, and has no other; the machine comes back all the same.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    # Only our own service: the relay to a remote hub drops packets from another port, as NAT does.
    inside = Inside(world.subject.service, mesh, pune, mumbai)
    before = inside.snapshot()
    with record.control("both talk before"):
        assert mumbai.reaches(pune)
    endpoint = mesh.organization["endpoint"]
    with inside.hub_suspended(), record.control("the damage misleads a machine, and it reaches no other"):
        assert inside.apply(UNMASKED)
        start = time.monotonic()
        while [peer.endpoint for peer in mumbai.tunnel.peers()] == [endpoint]:
            assert time.monotonic() - start < UNMASKED.detection.value
            pune.reaches(mumbai, _POLL)
        assert not mumbai.reaches(pune, _LONGEST_POLL)
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
    with damage_run(world, record, mesh, machines) as run:
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


def wait_until_seen(inside: Inside, before: str, deadline_s: float) -> None:
    """Waits until the host's tools show the same as before the damage.

    Raises:
        Refuted: they don't within ``deadline_s`` seconds.
    """
    start, pause = time.monotonic(), _POLL
    while (now := inside.snapshot()) != before:
        if time.monotonic() - start > deadline_s:
            raise Refuted(f"after {deadline_s:.0f} s the host's state is not restored: {_difference(before, now)}")
        time.sleep(pause)
        # Each reading starts a dozen programs, so a long repair is read less often.
        pause = min(2 * pause, _LONGEST_POLL)


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


def _difference(before: str, now: str) -> str:
    changed = [line for line in difflib.ndiff(before.splitlines(), now.splitlines()) if line[0] in "+-"]
    return "; ".join(" ".join(line.split()) for line in changed[:4])
