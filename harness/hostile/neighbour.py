"""An ordinary organization beside a hostile one: what it is answered, how fast, and what becomes of its packets."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from harness.client.api import Api, ApiError
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.mesh import Mesh
from harness.world.world import PASSWORD, World

T = TypeVar("T")

READS, SAVES = 3.0, 5.0
"""Most that reads and saves may take beside a hostile tenant, as ratios to their quiet medians."""

LOG_IN_S = 1.0
"""Seconds that a log-in may take beside a hostile tenant."""

_STREAM_INTERVAL_S = 0.01
_PAUSE_S = 0.005
_TURNS = 2
"""Number of times that the attack is begun; a quiet time is before each, and after the last."""

_LOG_INS = 2
_LEAST_PER_TURN = 10


@dataclass(frozen=True)
class Pace:
    """Times that calls of each kind took, in seconds."""

    reads: list[float] = field(default_factory=list)
    saves: list[float] = field(default_factory=list)
    log_ins: list[float] = field(default_factory=list)

    def __add__(self, other: Pace) -> Pace:
        return Pace(self.reads + other.reads, self.saves + other.saves, self.log_ins + other.log_ins)

    def beside(self, quiet: Pace) -> Slowdown:
        """Compare with a quiet time's.

        Args:
            quiet: has at least one call of each kind, as this has.
        """
        return Slowdown(
            statistics.median(self.reads) / statistics.median(quiet.reads),
            statistics.median(self.saves) / statistics.median(quiet.saves),
            max(self.log_ins),
        )


@dataclass(frozen=True)
class Slowdown:
    """Cost of a hostile tenant to an ordinary one.

    Attributes:
        reads: median of its reads, as a ratio to the quiet median.
        saves: median of its saves, as a ratio to the quiet median.
        log_in_s: its slowest log-in, in seconds.
    """

    reads: float
    saves: float
    log_in_s: float

    def complaints(self, patience: float = 1.0) -> list[str]:
        """List what is above its bound, in words.

        Args:
            patience: how many times slower than a usual machine this one is; only a log-in's bound is a time.
        """
        found = []
        if self.reads > READS:
            found.append(f"its reads took {self.reads:.1f} times as long, and {READS:g} is the most")
        if self.saves > SAVES:
            found.append(f"its saves took {self.saves:.1f} times as long, and {SAVES:g} is the most")
        if self.log_in_s > LOG_IN_S * patience:
            found.append(f"a log-in took {self.log_in_s:.2f} s, and {LOG_IN_S * patience:g} s is the most")
        return found


class Neighbour:
    """An organization with two machines that hear each other, while its owner reads, saves and logs in.

    Args:
        world: the lab.
        record: of the scenario that this is for.
        name: of the organization.
    """

    def __init__(self, world: World, record: Record, name: str = "neighbour") -> None:
        self.mesh: Mesh = world.organization(record, name)
        self._record = record
        self._patience = world.patience
        self._machines = self.mesh.machines("asha", "bela")
        self._email: str = self.mesh.api.call("GET", "/account").body["email"]
        self._numbers = itertools.count(1)
        self._flips = itertools.cycle(("deny", "allow"))

    @contextmanager
    def streaming(self) -> Iterator[JudgedStream]:
        """A stream of numbered packets between its machines, none of which may be lost while the block lasts."""
        first, second = self._machines
        with first.stream_to(second, interval=_STREAM_INTERVAL_S) as stream:
            stream.flows()
            yield stream

    def pace(self, seconds: float) -> Pace:
        """Read and save in turns for so long, and log in now and then; each call as soon as the last is answered.

        Raises:
            Refuted: a call is refused.
        """
        found = Pace()
        began = time.monotonic()
        next_log_in = began
        while time.monotonic() - began < seconds or len(found.saves) < _LEAST_PER_TURN:
            found.reads.append(self._made("a read", lambda: self.mesh.api.call("GET", "/machines")).seconds)
            found.reads.append(self._made("a read", lambda: self.mesh.api.call("GET", "/policy")).seconds)
            found.saves.append(self._made("a save", self._save).seconds)
            if time.monotonic() >= next_log_in and len(found.log_ins) < _LOG_INS:
                next_log_in += seconds / _LOG_INS
                found.log_ins.append(self._made("a log-in", self._log_in).seconds)
            time.sleep(_PAUSE_S)
        return found

    def add_machine(self) -> float:
        """Add one more machine; returns the seconds until it has shaken hands with the hub.

        Raises:
            Refuted: the machine is refused, or completes no handshake in time.
        """
        began = time.monotonic()
        name = f"newcomer-{next(self._numbers)}"
        try:
            self.mesh.machine(name)
        except ApiError as error:
            raise _refused("a new machine", error) from error
        return time.monotonic() - began

    def beside(
        self, attack: Callable[[], AbstractContextManager[T]], seconds: float, newcomers: int = 0
    ) -> tuple[Slowdown, list[T]]:
        """Measure quiet and beside an attack by turns, under a stream of which nothing may be lost.

        By turns, so that whatever else slows the machine slows both.

        Args:
            attack: goes on while its block lasts; begun once per turn.
            seconds: of measuring beside the attack, altogether; each quiet time is as long as one of its turns.
            newcomers: machines that shake hands for the first time during each turn of the attack.

        Returns:
            What the attack cost, and what it told of itself, by turn.

        Raises:
            Refuted: a call is refused beside the attack, a packet lost, or a handshake not completed.
            Inconclusive: the attack could not be made.
        """
        attacked, told, waits = Pace(), list[T](), list[float]()
        with self.streaming():
            quiet = self.pace(seconds / _TURNS)
            for _ in range(_TURNS):
                with attack() as of_this_turn:
                    attacked += self.pace(seconds / _TURNS)
                    waits += [self.add_machine() for _ in range(newcomers)]
                told.append(of_this_turn)
                quiet += self.pace(seconds / _TURNS)
        found = attacked.beside(quiet)
        self._note(quiet, attacked, found, waits)
        return found, told

    def compare(self, attack: Callable[[], AbstractContextManager[T]], seconds: float, newcomers: int = 0) -> list[T]:
        """Judge what `beside` measures, and raise as it does.

        Returns:
            What the attack told of itself, by turn.

        Raises:
            Refuted: calls are too slow beside the attack.
        """
        found, told = self.beside(attack, seconds, newcomers)
        complaints = found.complaints(self._patience)
        if complaints:
            raise Refuted(f"beside a hostile tenant, an ordinary one is held up: {'; '.join(complaints)}")
        return told

    def _note(self, quiet: Pace, attacked: Pace, found: Slowdown, waits: Sequence[float]) -> None:
        record = self._record
        record.took("reads of an ordinary tenant, quiet", quiet.reads)
        record.took("reads of an ordinary tenant, beside a hostile one", attacked.reads)
        record.measure("reads, quiet median", statistics.median(quiet.reads), "s")
        record.measure("reads beside a hostile tenant, times the quiet median", found.reads, "times", limit=READS)
        record.measure("saves, quiet median", statistics.median(quiet.saves), "s")
        record.measure("saves beside a hostile tenant, times the quiet median", found.saves, "times", limit=SAVES)
        record.measure("slowest log-in beside a hostile tenant", found.log_in_s, "s", limit=LOG_IN_S * self._patience)
        if waits:
            record.measure("slowest new machine until its first handshake", max(waits), "s")

    def _save(self) -> Answer:
        # It concerns no packet of the stream.
        rule = {"action": next(self._flips), "source": "any", "destination": "any", "protocol": "tcp", "ports": "9"}
        return self.mesh.api.call("PUT", "/policy", {"default": "allow", "rules": [rule]})

    def _log_in(self) -> Answer:
        api: Api = self.mesh.api.anonymous()
        try:
            return api.call("POST", "/sessions", {"email": self._email, "password": PASSWORD})
        finally:
            api.close()

    @staticmethod
    def _made(what: str, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except ApiError as error:
            raise _refused(what, error) from error


def _refused(what: str, error: ApiError) -> Refuted:
    return Refuted(f"beside a hostile tenant, {what} of an ordinary one was refused: {error}")
