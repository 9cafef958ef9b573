"""Restarts of both processes of the service: packets that are lost, and time without an answered save."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import httpx

from harness.bench import population, starts
from harness.bench.beside import Measured, measured, share
from harness.client.api import Api
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.mesh import Mesh
from harness.world.world import World
from netlab import UdpStream, wait_until

STEADY_S = 31.0
"""Seconds between restarts, in which the stream is the baseline.

A process that ends within 30 s of its start would be restarted with a delay.
"""

_INTERVAL = 0.001
_DEADLINE = 60.0
_POLL = 0.01
_QUIET_S = 2.0
_BARE = 5
"""Starts of a bare Python beside each SIGKILL."""


@dataclass(frozen=True)
class _Period:
    """A part of the stream.

    Attributes:
        what: its kind, in words.
        start_ns: begin, on the stream's clock.
        end_ns: end, on the stream's clock.
        away_s: longest time without an answered save; None if the service was not disturbed.
    """

    what: str
    start_ns: int
    end_ns: int
    away_s: float | None = None


def measure(world: World, organizations: int, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures undisturbed times in turns with SIGHUP to ``up`` and SIGKILL to hub and web.

    Args:
        organizations: number of further organizations.
        rounds: number of restarts of each kind.
        tell: takes messages about progress.

    Raises:
        Inconclusive: the service does not come back, or the lab's receiver was too slow.
    """
    mesh = world.organization(Record())
    mumbai, pune = mesh.machines("mumbai", "pune")
    population.sign_up(world.subject.service, "beside", organizations, 2, tell)
    periods: list[_Period] = []
    bare: list[float] = []
    with UdpStream(mumbai.host, pune.host, pune.address, 0, interval_s=_INTERVAL) as stream:
        stream.wait_delivery(0, 10.0)
        for number in range(rounds):
            periods.append(_quiet(_QUIET_S))
            periods.append(_disturbed(world, mesh, "SIGHUP", world.subject.service.restart_children))
            periods.append(_quiet(STEADY_S))
            bare.append(statistics.median(starts.bare(world.subject.lab_host).wall_s for _ in range(_BARE)))
            periods.append(_disturbed(world, mesh, "SIGKILL", world.subject.service.kill_children))
            tell(f"restarts, round {number + 1} of {rounds}: no save was answered for {_downtimes(periods[-3:])}")
    if stream.receiver_drops:
        raise Inconclusive(f"the lab's own receiver was too slow for {stream.receiver_drops} packets")
    away = [each.away_s for each in periods if each.what == "SIGKILL" and each.away_s is not None]
    return {
        "restart-loss": _summary(stream, periods, organizations),
        "save-again": measured(away, bare, "s", "python -c pass", f"{organizations} organizations besides"),
    }


def _summary(stream: UdpStream, periods: list[_Period], organizations: int) -> Measured:
    lost = {each: len(stream.lost_in(each.start_ns, each.end_ns)) for each in periods}
    sent = {each: len(stream.sent_in(each.start_ns, each.end_ns)) for each in periods}
    texts = []
    for what in ("undisturbed", "SIGHUP", "SIGKILL"):
        same = [each for each in periods if each.what == what]
        texts.append(f"{what}: {sum(lost[each] for each in same)} of {sum(sent[each] for each in same)} lost")
    seconds = sum(each.end_ns - each.start_ns for each in periods) / 1e9
    text = (
        f"{'; '.join(texts)}; {sum(sent.values()) / seconds:.0f} packets/s, {organizations} organizations besides; "
        f"no save answered for {_downtimes(periods)}"
    )
    disturbed = [period for period in periods if period.away_s is not None]
    return share([lost[each] for each in disturbed], [sent[each] for each in disturbed], text)


def _downtimes(periods: list[_Period]) -> str:
    kinds = {each.what: None for each in periods if each.away_s is not None}
    medians = {
        what: statistics.median(p.away_s for p in periods if p.what == what and p.away_s is not None) for what in kinds
    }
    return ", ".join(f"{seconds:.2f} s ({what})" for what, seconds in medians.items())


def _quiet(seconds: float) -> _Period:
    start = UdpStream.mark()
    # No wait for a condition: the length of the baseline.
    time.sleep(seconds)
    return _Period("undisturbed", start, UdpStream.mark())


def _disturbed(world: World, mesh: Mesh, what: str, disturb: Callable[[], None]) -> _Period:
    before = world.subject.service.children()
    with _Saver(world, str(mesh.api.token)) as saver:
        _wait(lambda: bool(saver.answered_ns), f"{what}: no save was answered before")
        start = UdpStream.mark()
        disturb()
        _wait(lambda: not before & world.subject.service.children(), f"{what}: the processes did not end")
        ended = UdpStream.mark()
        _wait(lambda: saver.requested_ns > ended, f"{what}: no save was answered")
    # Losses show only once the packets have had time to arrive.
    return _Period(what, start, UdpStream.mark(), saver.longest_pause_s())


class _Saver:
    """Saves a policy over and over while its ``with`` block runs, each time on a new connection.

    Attributes:
        requested_ns: time of the last request that was answered.
        answered_ns: time of each answer.
    """

    def __init__(self, world: World, token: str) -> None:
        self._world, self._token = world, token
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._save, name="saver")
        self.requested_ns = 0
        self.answered_ns: list[int] = []

    def longest_pause_s(self) -> float:
        """Returns the longest time between two answers."""
        return max(later - sooner for sooner, later in pairwise(self.answered_ns)) / 1e9

    def __enter__(self) -> _Saver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _save(self) -> None:
        while not self._ended.wait(_POLL):
            requested = UdpStream.mark()
            if _save_once(self._world, self._token):
                self.answered_ns.append(UdpStream.mark())
                self.requested_ns = requested


def _save_once(world: World, token: str) -> bool:
    api = Api(world.subject.service.url, world.subject.service.certificate, token)
    try:
        return api.send("PUT", "/policy", {"default": "allow", "rules": []}).status == httpx.codes.OK
    except httpx.TransportError:
        return False
    finally:
        api.close()


def _wait(condition: Callable[[], bool], failure: str) -> None:
    if not wait_until(condition, _DEADLINE, _POLL):
        raise Inconclusive(f"{failure} in {_DEADLINE:.0f} s")
