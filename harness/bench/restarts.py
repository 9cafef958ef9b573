"""Both processes of the service started again under a running stream: what is lost, and how long the API is away."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import httpx

from harness.bench import population
from harness.bench.goals import Measured
from harness.client.api import Api
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.mesh import Mesh
from harness.world.world import World
from netlab import UdpStream

_INTERVAL = 0.001
_DEADLINE = 60.0
_POLL = 0.01
_STEADY_S = 31.0
"""A process that dies within 30 s of its start waits longer before it is started again: what dies once more is steady
before. The stream runs meanwhile, undisturbed, as the baseline."""
_QUIET_S = 2.0


@dataclass(frozen=True)
class _Period:
    """A stretch of the stream.

    Attributes:
        away_s: the longest that no save was answered; None where nothing was disturbed.
    """

    what: str
    start_ns: int
    end_ns: int
    away_s: float | None = None


def measure(world: World, organizations: int, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Undisturbed, SIGHUP to ``up``, undisturbed, SIGKILL to hub and web, and again.

    Args:
        organizations: that exist besides.

    Raises:
        Inconclusive: the service does not come back, or the lab's own receiver was too slow.
    """
    mesh = world.organization(Record())
    mumbai, pune = mesh.machines("mumbai", "pune")
    population.sign_up(world.subject.service, "beside", organizations, 2, tell)
    periods: list[_Period] = []
    with UdpStream(mumbai.host, pune.host, pune.address, 0, interval_s=_INTERVAL) as stream:
        stream.wait_delivery(0, 10.0)
        for number in range(rounds):
            periods.append(_quiet(_QUIET_S))
            periods.append(_disturbed(world, mesh, "SIGHUP", world.subject.service.renew))
            periods.append(_quiet(_STEADY_S))
            periods.append(_disturbed(world, mesh, "SIGKILL", world.subject.service.kill_children))
            tell(f"restarts, round {number + 1} of {rounds}: no save was answered for {_away(periods[-3:])}")
    if stream.receiver_drops:
        raise Inconclusive(f"the lab's own receiver was too slow for {stream.receiver_drops} packets")
    return {"restart-loss": _summary(stream, periods, organizations)}


def _summary(stream: UdpStream, periods: list[_Period], organizations: int) -> Measured:
    lost = {each: len(stream.lost_in(each.start_ns, each.end_ns)) for each in periods}
    sent = {each: len(stream.sent_in(each.start_ns, each.end_ns)) for each in periods}
    texts = []
    for what in ("undisturbed", "SIGHUP", "SIGKILL"):
        of = [each for each in periods if each.what == what]
        texts.append(f"{what}: {sum(lost[each] for each in of)} of {sum(sent[each] for each in of)} lost")
    seconds = sum(each.end_ns - each.start_ns for each in periods) / 1e9
    text = (
        f"{'; '.join(texts)}; {sum(sent.values()) / seconds:.0f} packets/s, {organizations} organizations besides; "
        f"no save answered for {_away(periods)}"
    )
    each = [float(lost[period]) for period in periods if period.away_s is not None]
    return Measured(sum(each), text, (min(each), max(each)))


def _away(periods: list[_Period]) -> str:
    kinds = {each.what: None for each in periods if each.away_s is not None}
    medians = {
        what: statistics.median(p.away_s for p in periods if p.what == what and p.away_s is not None) for what in kinds
    }
    return ", ".join(f"{seconds:.2f} s ({what})" for what, seconds in medians.items())


def _quiet(seconds: float) -> _Period:
    start = UdpStream.mark()
    # Not a wait for anything: this is how long the baseline is.
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
        _wait(lambda: saver.asked_ns > ended, f"{what}: no save was answered")
    # What was lost meanwhile shows only after what was sent has had its time.
    return _Period(what, start, UdpStream.mark(), saver.longest_pause_s())


class _Saver:
    """Saves one policy after the other while `with` lasts, each on a connection of its own.

    Attributes:
        asked_ns: when the last one that was answered was asked for.
        answered_ns: when each was answered.
    """

    def __init__(self, world: World, token: str) -> None:
        self._world, self._token = world, token
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._save, name="saver")
        self.asked_ns = 0
        self.answered_ns: list[int] = []

    def longest_pause_s(self) -> float:
        """Between two answers."""
        return max(later - sooner for sooner, later in pairwise(self.answered_ns)) / 1e9

    def __enter__(self) -> _Saver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _save(self) -> None:
        while not self._ended.wait(_POLL):
            asked = UdpStream.mark()
            if _saves(self._world, self._token):
                self.answered_ns.append(UdpStream.mark())
                self.asked_ns = asked


def _saves(world: World, token: str) -> bool:
    api = Api(world.subject.service.url, world.subject.service.certificate, token)
    try:
        return api.send("PUT", "/policy", {"default": "allow", "rules": []}).status == httpx.codes.OK
    except httpx.TransportError:
        return False
    finally:
        api.close()


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise Inconclusive(f"{otherwise} in {_DEADLINE:.0f} s")
        time.sleep(_POLL)
