"""Damage to the hub beside an allowed and a denied stream: what it cuts, and whether all recovers."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.overlay.outage import HealthStream
from harness.world.damage import Damage, Detection
from harness.world.inside import Inside
from harness.world.world import World
from netlab import wait_until

INTERVAL_S = 0.001
"""Seconds between two packets of a stream beside damage."""
_POLL, _LONGEST_POLL = 0.02, 0.6


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
def damage_run(
    world: World, record: Record, mesh: Mesh, machines: Sequence[Machine], default: str
) -> Iterator[DamageRun]:
    """Runs streams from the first machine (allowed) and the third (denied) to the second, with controls before and
    after.

    Args:
        mesh: new organization, which allows everything.
        machines: all machines of the mesh, three.
        default: default of the policy once the second stream is denied.
    """
    mumbai, pune, kolkata = machines
    # An emulated processor can't start a service beside a thousand packets per second.
    interval = INTERVAL_S * world.patience
    queues = world.queues(*machines)
    denied = kolkata.stream_to(pune, interval=interval, queues=queues)
    with (
        queues,
        HealthStream(mumbai, pune, record, interval, denied, queues=queues) as allowed,
        denied,
    ):
        with record.control("both streams flow before the rule and the damage"):
            allowed.wait_until_whole(Detection.EVENT.value)
            denied.flows()
        denied.stops(mesh.deny_under(default, machines, kolkata, pune))
        inside = Inside(world.subject.installed, mesh, pune, mumbai)
        yield DamageRun(world, record, machines, inside, allowed, denied, inside.snapshot())
        denied.stays_stopped()
        with record.control("the denied stream flows when the rule is gone"):
            denied.flows(mesh.allow(kolkata, pune))


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


def _difference(before: str, now: str) -> str:
    changed = [line for line in difflib.ndiff(before.splitlines(), now.splitlines()) if line[0] in "+-"]
    return "; ".join(" ".join(line.split()) for line in changed[:4])
